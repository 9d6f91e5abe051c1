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

}  // namespace

Pools::Pools(backends::Backend& backend, const Settings& settings, std::size_t at_once)
    : backend_(backend), settings_(settings) {
  for (const std::string& name : backend_.pools()) {
    Pool pool{name, "", "cinder-volume", backend_.capabilities(name)};
    const std::string& own = pool.offers.at("volume_backend_name");
    pool.host = host(own, name);
    if (!known_.empty()) pool.service += "@" + own;
    known_.push_back(std::move(pool));
    calls_.emplace(name, std::make_unique<Offload>(at_once));
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
  for (auto& [name, calls] : calls_) calls->end();
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

template <class F>
asio::awaitable<std::invoke_result_t<F&>> Pools::ask(std::string pool, F question) {
  auto found = calls_.find(pool);
  Offload& calls = found == calls_.end() ? *calls_.at(known_.front().name) : *found->second;
  return calls.run_for(kPatience, std::move(question));
}

asio::awaitable<Capacity> Pools::room(std::string pool) {
  auto look = [this, pool] { return backend_.capacity(pool); };
  try {
    co_return co_await ask(pool, look);
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

Rooms Pools::rooms_blocking() const {
  Rooms out;
  for (const Pool& pool : known_) out[pool.name] = backend_.capacity(pool.name);
  return out;
}

asio::awaitable<std::vector<backends::Found>> Pools::found(std::string pool) {
  auto look = [this, pool] { return backend_.found(pool); };
  co_return co_await ask(pool, look);
}

asio::awaitable<backends::Usage> Pools::usage(model::Volume volume) {
  auto look = [this, id = volume.id] {
    return backend_.has_volume(id) ? backend_.volume_usage(id) : backends::Usage{};
  };
  co_return co_await ask(volume.pool, look);
}

asio::awaitable<backends::Usage> Pools::usage(std::string pool, model::Snapshot snapshot) {
  auto look = [this, volume = snapshot.volume_id, id = snapshot.id] { return backend_.snapshot_usage(volume, id); };
  co_return co_await ask(pool, look);
}

asio::awaitable<int> Pools::independence_percent(model::Volume volume) {
  auto look = [this, id = volume.id] { return backend_.independence_percent(id); };
  co_return co_await ask(volume.pool, look);
}

}  // namespace varve::services
