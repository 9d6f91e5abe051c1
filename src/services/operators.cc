#include "services/operators.h"

namespace varve::services {

model::ServiceState Operators::service(const std::string& binary) const {
  model::ServiceState state;
  store::Work read = [&](store::Transaction& tx) { state = tx.service_states().get(binary); };
  db_.read(read);
  return state;
}

boost::asio::awaitable<void> Operators::set_service(model::ServiceState state) {
  store::Work write = [&](store::Transaction& tx) { tx.service_states().set(state); };
  co_await db_.write(write);
}

std::int64_t Operators::provisioned(const std::string& pool, bool is_default) const {
  std::int64_t gib = 0;
  store::Work read = [&](store::Transaction& tx) {
    gib = tx.volumes().usage_of_pool(pool) + (is_default ? tx.volumes().usage_of_pool("") : 0);
  };
  db_.read(read);
  return gib;
}

std::vector<ProjectUsage> Operators::usage_by_project() const {
  std::vector<ProjectUsage> out;
  store::Work read = [&](store::Transaction& tx) {
    out.push_back({std::nullopt, tx.volumes().usage(std::nullopt, std::nullopt),
                   tx.snapshots().usage(std::nullopt, std::nullopt)});
    for (const ProjectId& project : tx.volumes().projects()) {
      out.push_back({project, tx.volumes().usage(project, std::nullopt), tx.snapshots().usage(project, std::nullopt)});
    }
  };
  db_.read(read);
  return out;
}

}  // namespace varve::services
