#include "services/health.h"

#include "base/log.h"

namespace varve::services {

namespace asio = boost::asio;

namespace {

// Can anything be read?
asio::awaitable<bool> is_readable(store::Database& db) {
  try {
    co_await db.read([](store::Transaction& tx) { tx.volume_types().find(VolumeTypeId("")); });
    co_return true;
  } catch (const Error& fault) {
    log::warning("the store is not ready", {{"error", fault.message()}});
    co_return false;
  }
}

}  // namespace

asio::awaitable<Readiness> Health::look() {
  Readiness out;
  out.ready = db_.takes_changes() && co_await is_readable(db_);
  out.tasks = tasks_.waiting();
  out.pools = co_await pools_.rooms();
  co_return out;
}

}  // namespace varve::services
