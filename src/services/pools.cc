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
constexpr std::chrono::seconds kMoment(2);         // when there are other pools to take
constexpr std::chrono::milliseconds kGlance(500);  // load balancers wait a second for /readyz

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

asio::awaitable<Rooms> Pools::rooms() {
  std::vector<std::string> all;
  for (const Pool& pool : known_) all.push_back(pool.name);
  return rooms_of(std::move(all));
}

asio::awaitable<Capacity> Pools::room(std::string pool) {
  Rooms one = co_await rooms_of({pool});
  co_return one.at(pool);
}

asio::awaitable<Rooms> Pools::rooms_of(std::vector<std::string> pools) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto until = steady_now() + kGlance;
  std::vector<std::shared_ptr<Offload::Outcome<Capacity>>> asked;
  for (const std::string& pool : pools) {
    auto look = [this, pool] { return backend_.capacity(pool); };
    asked.push_back(questions_of(pool).own.begin(executor, look));
  }
  Rooms out;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    Capacity& room = out[pools[i]] = Capacity{.unavailable = true};
    try {
      room = co_await Offload::answer(asked[i], until);
    } catch (const Error& fault) {
      log::debug("a pool does not say how much room it has", {{"pool", pools[i]}, {"error", fault.message()}});
    }
  }
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

asio::awaitable<backends::Usage> Pools::usage(std::string pool, model::Source source) {
  auto look = [this, source] {
    return source.snapshot || backend_.has_volume(source.volume) ? backend_.usage(source) : backends::Usage{};
  };
  co_return co_await questions_of(pool).of_volumes.run_for(kPatience, look);
}

asio::awaitable<int> Pools::independence_percent(std::string pool, VolumeId volume) {
  auto look = [this, volume] { return backend_.independence_percent(volume); };
  co_return co_await questions_of(pool).of_volumes.run_for(kPatience, look);
}

}  // namespace varve::services
