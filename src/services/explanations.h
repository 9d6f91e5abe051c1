// Why an object is as it is: what works on it and how far that is, what it waits for, what would end that; for a final
// status what led to it. Reads the store in one transaction, and what the task runner, the exports and the restorer
// have in memory; asks no other process and waits for nothing.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "model/actor.h"
#include "services/exports.h"
#include "services/messages.h"
#include "services/restorer.h"
#include "services/tasks.h"
#include "store/database.h"

namespace varve::services {

enum class Explained : std::uint8_t { Volume, Snapshot, Backup, Attachment };

std::string_view to_string(Explained kind);

struct Explanation {
  struct Work {
    model::Task task;
    Whereabouts where;
  };
  // For an operator.
  struct Detail {
    std::optional<std::string> error;  // as it was thrown, or the damage
    std::optional<std::string> error_code;
    std::optional<std::string> task_id;
    std::optional<std::string> request_id;
  };

  Explained resource = Explained::Volume;
  std::string id;
  std::string status;
  bool settled = true;  // varved will change nothing by itself
  std::string summary;
  Timestamp since;  // of the task's present state, or of what the reason tells; else: the object's last change
  std::optional<Work> work;
  std::optional<MissingExport> missing_export;
  std::optional<std::string> waits_for;
  std::string ends_with;
  std::optional<std::string> reason;
  Detail detail;
};

class Explanations {
 public:
  Explanations(store::Database& db, const backends::Backend& backend, const TaskRunner& tasks, const Exports& exports,
               const Restorer& restorer, const Messages& messages)
      : db_(db), backend_(backend), tasks_(tasks), exports_(exports), restorer_(restorer), messages_(messages) {}

  // Throws Error(NotFound) for what the actor does not see.
  boost::asio::awaitable<Explanation> explain(model::Actor actor, Explained kind, std::string id) const;

 private:
  struct Object;

  static Object read(store::Transaction& tx, const model::Actor& actor, Explained kind, const std::string& id);
  static std::optional<model::Task> live_task(store::Transaction& tx, const Object& object);
  void find_reason(store::Transaction& tx, const Object& object, Explanation& out) const;
  void look_at_work(const model::Task& task, const Object& object, Explanation& out) const;
  void look_at_storage(const model::Task& task, const Object& object, Explanation& out) const;
  void look_at_exports(const Object& object, Explanation& out) const;

  store::Database& db_;
  const backends::Backend& backend_;
  const TaskRunner& tasks_;
  const Exports& exports_;
  const Restorer& restorer_;
  const Messages& messages_;
};

}  // namespace varve::services
