#include "services/service_states.h"

namespace varve::services {

boost::asio::awaitable<model::ServiceState> ServiceStates::service(std::string binary) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.service_states().get(binary); });
}

boost::asio::awaitable<void> ServiceStates::set_service(model::ServiceState state) {
  co_await db_.write([&](store::Transaction& tx) { tx.service_states().set(state); });
}

boost::asio::awaitable<std::int64_t> ServiceStates::provisioned(std::string pool, bool is_default) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    return tx.volumes().usage_of_pool(pool) + (is_default ? tx.volumes().usage_of_pool("") : 0);
  });
}

}  // namespace varve::services
