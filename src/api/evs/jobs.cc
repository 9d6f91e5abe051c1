// Jobs: how clients follow what they asked for. A view of the task rows.

#include <algorithm>
#include <boost/json.hpp>

#include "api/common/replies.h"
#include "api/evs/faults.h"
#include "api/evs/rows.h"
#include "base/error.h"

namespace varve::api::evs {

using model::TaskKind;
using model::TaskState;
using services::Job;
using services::JobPart;

namespace {

std::string_view job_type(TaskKind kind) {
  switch (kind) {
    case TaskKind::CreateVolume:
    case TaskKind::CreateVolumeFromImage:
    case TaskKind::CreateVolumeFromBackup:
    case TaskKind::ManageVolume:
      return "createVolume";
    case TaskKind::DeleteVolume:
      return "deleteVolume";
    case TaskKind::ExtendVolume:
      return "extendVolume";
    case TaskKind::RetypeVolume:
    case TaskKind::MigrateVolume:
      return "retypeVolume";
    case TaskKind::UploadVolume:
      return "uploadVolume";
    case TaskKind::RollbackVolume:
      return "rollbackVolume";
    case TaskKind::ReimageVolume:
      return "reimageVolume";
    case TaskKind::BackupVolume:
      return "createBackup";
    case TaskKind::RestoreBackup:
      return "restoreBackup";
    case TaskKind::DeleteBackup:
      return "deleteBackup";
    case TaskKind::CreateGroupSnapshot:
    case TaskKind::ManageSnapshot:
    case TaskKind::CreateSnapshot:
      return "createSnapshot";
    case TaskKind::DeleteSnapshot:
      return "deleteSnapshot";
    case TaskKind::StartExport:
      return "attachVolume";
    case TaskKind::StopExport:
      return "detachVolume";
  }
  return "unknown";
}

// "2016-03-08T07:40:13.219Z"
std::string job_time(Timestamp time) {
  std::string text = format_time(time);
  return text.substr(0, text.size() - 3) + "Z";
}

std::string_view status_of(TaskState state) {
  return state == TaskState::Live ? "RUNNING" : state == TaskState::Done ? "SUCCESS" : "FAIL";
}

json::object part_view(const JobPart& part) {
  const model::Task& task = part.task;
  json::object entities{{"volume_id", task.volume_id.str()}};
  bool creates = job_type(task.kind) == "createVolume";
  if (creates && part.volume) {
    entities["name"] = text_or_null(part.volume->name);
    entities["size"] = part.volume->size_gib;
    entities["volume_type"] = part.type_name;
  }
  json::object out{{"status", status_of(task.state)}, {"entities", std::move(entities)}, {"job_id", task.id.str()}};
  out["job_type"] = job_type(task.kind);
  out["begin_time"] = job_time(task.created_at);
  out["end_time"] = task.ended_at ? job_time(*task.ended_at) : "";
  out["error_code"] = nullptr;
  out["fail_reason"] = nullptr;
  if (task.state == TaskState::Failed) {
    JobFault fault = job_fault(task.kind);
    out["error_code"] = fault.code;
    out["fail_reason"] = fault.message;
  }
  return out;
}

// Over when all its parts are; failed when one is.
json::object batch_view(const Job& job) {
  json::array parts;
  TaskState state = TaskState::Done;
  Timestamp begin = job.parts.front().task.created_at;
  std::optional<Timestamp> end;
  const JobPart* failed = nullptr;
  bool live = false;
  for (const JobPart& part : job.parts) {
    parts.push_back(part_view(part));
    begin = std::min(begin, part.task.created_at);
    if (part.task.ended_at) end = std::max(end.value_or(*part.task.ended_at), *part.task.ended_at);
    live = live || part.task.state == TaskState::Live;
    if (part.task.state == TaskState::Failed) failed = &part;
  }
  if (failed != nullptr) state = TaskState::Failed;
  if (live) state = TaskState::Live;
  json::object out{{"status", status_of(state)}, {"job_id", job.id.str()}, {"job_type", "batchCreateVolume"}};
  out["entities"] = json::object{{"sub_jobs", std::move(parts)}};
  out["begin_time"] = job_time(begin);
  out["end_time"] = end && !live ? job_time(*end) : "";
  out["error_code"] = nullptr;
  out["fail_reason"] = nullptr;
  if (state == TaskState::Failed) {
    JobFault fault = job_fault(failed->task.kind);
    out["error_code"] = fault.code;
    out["fail_reason"] = fault.message;
  }
  return out;
}

Reply show_job(Services& s, CallPtr call) {
  Job job = co_await s.jobs.show(call->actor, JobId(call->path.get("id")));
  co_return json_reply(200, job.batch ? batch_view(job) : part_view(job.parts.front()));
}

constexpr Row<Services> kRows[] = {{http::Verb::get, "/jobs/{id}", "token", show_job}};

}  // namespace

Rows jobs_rows() {
  return kRows;
}

}  // namespace varve::api::evs
