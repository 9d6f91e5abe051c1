#include "services/pools.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"

namespace varve::services {

namespace asio = boost::asio;
using backends::Capacity;

namespace {

// A question that takes longer is asked about a disk or a daemon that hangs.
constexpr std::chrono::seconds kPatience(5);
constexpr std::chrono::seconds kMoment(2);  // when others wait for all of the pools

}  // namespace

Pools::Pools(backends::Backend& backend, const Settings& settings, std::size_t at_once)
    : backend_(backend), settings_(settings) {
  for (const std::string& name : backend_.pools()) {
    Pool pool{name, "", "cinder-volume", backend_.capabilities(name)};
    const std::string& own = pool.offers.at("volume_backend_name");
    pool.host = host(own, name);
    if (!known_.empty()) pool.service += "@" + own;
    known_.push_back(std::move(pool));
    questions_.emplace(name, std::make_unique<Questions>(at_once));
  }
}

std::string Pools::host(const std::string& backend_name, const std::string& pool) const {
  std::string out = settings_.host_name;
  out += '@';
  out += backend_name;
  out += '#';
  out += pool;
  return out;
}

void Pools::end() {
  for (auto& [name, questions] : questions_) {
    questions->own.end();
    questions->of_volumes.end();
  }
}

const Pool* Pools::find(const std::string& name) const {
  if (name.empty()) return &known_.front();
  auto found = std::ranges::find(known_, name, &Pool::name);
  return found == known_.end() ? nullptr : &*found;
}

model::Metadata Pools::offers_of(const std::string& name) const {
  const Pool* pool = find(name);
  return pool != nullptr ? pool->offers : backend_.capabilities(name);
}

std::string Pools::host_of(const std::string& name) const {
  if (const Pool* pool = find(name)) return pool->host;
  return host(offers_of(name).at("volume_backend_name"), name);
}

std::string Pools::lack(const std::string& name, const model::VolumeType& type) const {
  model::Metadata offered = offers_of(name);
  for (const auto& [spec, value] : type.extra_specs) {
    std::string_view key = spec;
    constexpr std::string_view kScope = "capabilities:";
    if (key.starts_with(kScope)) key.remove_prefix(kScope.size());
    if (key.find(':') != std::string_view::npos) continue;
    auto have = offered.find(key);
    if (have == offered.end() || have->second == value) continue;
    std::string why = spec + " = ";
    why += value;
    why += ", the storage has ";
    why += have->second;
    return why;
  }
  return {};
}

Pools::Questions& Pools::questions_of(const std::string& pool) {
  auto found = questions_.find(pool);
  return found == questions_.end() ? *questions_.at(known_.front().name) : *found->second;
}

asio::awaitable<Capacity> Pools::room(std::string pool) {
  auto look = [this, pool] { return backend_.capacity(pool); };
  try {
    co_return co_await questions_of(pool).own.run_for(kMoment, look);
  } catch (const Error& fault) {
    log::warning("a pool does not say how much room it has", {{"pool", pool}, {"error", fault.message()}});
  }
  co_return Capacity{.unavailable = true};
}

asio::awaitable<Rooms> Pools::rooms() {
  Rooms out;
  for (const Pool& pool : known_) out[pool.name] = co_await room(pool.name);
  co_return out;
}

std::string Pools::roomiest(const std::vector<std::string>& pools) {
  if (pools.size() == 1) return pools.front();
  std::optional<std::string> best;
  std::uint64_t room = 0;
  for (const std::string& pool : pools) {
    auto look = [this, pool] { return backend_.capacity(pool); };
    Capacity capacity = questions_of(pool).own.wait_for(kMoment, look).value_or(Capacity{.unavailable = true});
    // Clearly more: what pools of one disk say differs by what is written meanwhile.
    if (best && capacity.available <= room + room / 64) continue;
    room = capacity.available;
    best = pool;
  }
  return best.value();
}

asio::awaitable<std::vector<backends::Found>> Pools::found(std::string pool) {
  auto look = [this, pool] { return backend_.found(pool); };
  co_return co_await questions_of(pool).own.run_for(kPatience, look);
}

asio::awaitable<backends::Usage> Pools::usage(model::Volume volume) {
  auto look = [this, id = volume.id] {
    return backend_.has_volume(id) ? backend_.volume_usage(id) : backends::Usage{};
  };
  co_return co_await questions_of(volume.pool).of_volumes.run_for(kPatience, look);
}

asio::awaitable<backends::Usage> Pools::usage(std::string pool, model::Snapshot snapshot) {
  auto look = [this, volume = snapshot.volume_id, id = snapshot.id] { return backend_.snapshot_usage(volume, id); };
  co_return co_await questions_of(pool).of_volumes.run_for(kPatience, look);
}

asio::awaitable<int> Pools::independence_percent(model::Volume volume) {
  auto look = [this, id = volume.id] { return backend_.independence_percent(id); };
  co_return co_await questions_of(volume.pool).of_volumes.run_for(kPatience, look);
}

}  // namespace varve::services
