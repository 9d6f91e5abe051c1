#include "model/type_extras.h"

#include "base/text.h"

namespace varve::model {

namespace {

// 0 when the key is not there or no number.
std::int64_t number(const Metadata& specs, const std::string& key) {
  auto found = specs.find(key);
  if (found == specs.end()) return 0;
  return parse_int(found->second).value_or(0);
}

// total_X, or the sum of read_X and write_X when both are limited.
std::int64_t rate(const Metadata& specs, const std::string& what, std::int64_t size_gib) {
  auto one = [&](const std::string& side) {
    std::int64_t fixed = number(specs, side + "_" + what);
    return fixed > 0 ? fixed : number(specs, side + "_" + what + "_per_gb") * size_gib;
  };
  if (std::int64_t total = one("total"); total > 0) return total;
  std::int64_t read = one("read");
  std::int64_t write = one("write");
  return read > 0 && write > 0 ? read + write : 0;
}

}  // namespace

QosLimits qos_limits(const QosSpec& spec, std::int64_t size_gib) {
  QosLimits limits;
  limits.iops = rate(spec.specs, "iops_sec", size_gib);
  limits.bytes_per_second = rate(spec.specs, "bytes_sec", size_gib);
  std::int64_t burst = number(spec.specs, "total_iops_sec_max");
  limits.iops_burst = burst > limits.iops ? burst : 0;
  return limits;
}

}  // namespace varve::model
