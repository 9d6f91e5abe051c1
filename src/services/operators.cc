#include "services/operators.h"

namespace varve::services {

boost::asio::awaitable<model::ServiceState> Operators::service(std::string binary) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.service_states().get(binary); });
}

boost::asio::awaitable<void> Operators::set_service(model::ServiceState state) {
  co_await db_.write([&](store::Transaction& tx) { tx.service_states().set(state); });
}

boost::asio::awaitable<std::int64_t> Operators::provisioned(std::string pool, bool is_default) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    return tx.volumes().usage_of_pool(pool) + (is_default ? tx.volumes().usage_of_pool("") : 0);
  });
}

boost::asio::awaitable<std::vector<ProjectUsage>> Operators::usage_by_project() const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    std::vector<ProjectUsage> out;
    out.push_back({std::nullopt, tx.volumes().usage(std::nullopt, std::nullopt),
                   tx.snapshots().usage(std::nullopt, std::nullopt)});
    for (const ProjectId& project : tx.volumes().projects()) {
      out.push_back({project, tx.volumes().usage(project, std::nullopt), tx.snapshots().usage(project, std::nullopt)});
    }
    return out;
  });
}

}  // namespace varve::services
