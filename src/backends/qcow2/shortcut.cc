#include "backends/qcow2/shortcut.h"

namespace varve::qcow2 {

namespace {

constexpr std::size_t kWorthwhile = 8;  // layers that a shortcut spares at least

// How many layers right below chain[target] may be in its run; there must be one below the run.
std::size_t run_below(const std::vector<ChainLayer>& chain, std::size_t target, std::uint64_t most_bytes) {
  std::uint64_t bytes = 0;
  std::size_t end = target + 1;
  for (; end + 1 < chain.size() && !chain[end].stays; ++end) {
    bytes += chain[end].bytes;
    if (bytes > most_bytes) break;
  }
  return end - target - 1;
}

}  // namespace

std::optional<Merge> find_shortcut(const std::vector<ChainLayer>& chain, std::uint64_t most_bytes) {
  std::optional<Merge> best;
  std::size_t spared = kWorthwhile - 1;
  if (chain.size() <= kLongChain) return best;
  for (std::size_t target = 1; target + 1 < chain.size(); ++target) {
    std::size_t run = run_below(chain, target, most_bytes);
    if (run <= spared) continue;
    spared = run;
    best = Merge{chain[target].id, chain[target + run + 1].id};
  }
  return best;
}

}  // namespace varve::qcow2
