// What volume types may be associated with: QoS specs, encryption, and which type is a project's default. For
// administrators; the API checks that.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "model/change.h"
#include "model/page.h"
#include "store/database.h"

namespace varve::services {

struct EncryptionChange {
  std::optional<std::string> provider;
  std::optional<std::string> control_location;
  model::Change<std::string> cipher;
  model::Change<std::int64_t> key_size;
};

struct DefaultType {
  ProjectId project;
  VolumeTypeId type;
};

class TypeExtras {
 public:
  TypeExtras(store::Database& db, Clock& clock, Rng& rng) : db_(db), clock_(clock), rng_(rng) {}

  boost::asio::awaitable<model::Page<model::QosSpec>> list_specs(model::PageQuery query) const;
  boost::asio::awaitable<model::QosSpec> show_spec(std::string id) const;
  boost::asio::awaitable<model::QosSpec> create_spec(model::QosSpec spec);
  // Adds keys or gives them new values; "consumer" is set apart.
  boost::asio::awaitable<void> set_keys(std::string id, model::Metadata specs, std::optional<std::string> consumer);
  boost::asio::awaitable<void> remove_keys(std::string id, std::vector<std::string> keys);
  // force: while types are associated too.
  boost::asio::awaitable<void> remove_spec(std::string id, bool force);
  boost::asio::awaitable<std::vector<model::VolumeType>> associations(std::string id) const;
  boost::asio::awaitable<void> associate(std::string id, std::string type);
  boost::asio::awaitable<void> disassociate(std::string id, std::optional<std::string> type);  // nullopt: all

  boost::asio::awaitable<std::optional<model::TypeEncryption>> encryption(std::string type) const;
  // Types that volumes use already: Error(InvalidState).
  boost::asio::awaitable<model::TypeEncryption> create_encryption(model::TypeEncryption encryption);
  boost::asio::awaitable<model::TypeEncryption> update_encryption(std::string type, EncryptionChange change);
  boost::asio::awaitable<void> remove_encryption(std::string type);

  boost::asio::awaitable<std::vector<DefaultType>> defaults() const;
  boost::asio::awaitable<std::optional<VolumeTypeId>> default_of(ProjectId project) const;
  boost::asio::awaitable<VolumeTypeId> set_default(ProjectId project, std::string type);  // by id or name
  boost::asio::awaitable<void> clear_default(ProjectId project);

 private:
  store::Database& db_;
  Clock& clock_;
  Rng& rng_;
};

}  // namespace varve::services
