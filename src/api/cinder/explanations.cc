// Why an object is as it is: an extension of ours.

#include <boost/json.hpp>

#include "api/cinder/rows.h"
#include "api/common/replies.h"

namespace varve::api::cinder {

using http::Verb;
using services::Explained;
using services::Explanation;
using services::Whereabouts;

namespace {

std::string_view name_of(Whereabouts::State state) {
  switch (state) {
    case Whereabouts::State::Queued:
      return "queued";
    case Whereabouts::State::Running:
      return "running";
    case Whereabouts::State::Waiting:
      return "waiting";
  }
  return "running";
}

json::value time_of(const std::optional<Timestamp>& time) {
  if (!time) return nullptr;
  return json::value(format_time(*time));
}

json::value text_of(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::value(text);
}

json::object task_view(const Explanation::Work& work) {
  const Whereabouts& where = work.where;
  json::object out{{"id", work.task.id.str()},
                   {"kind", to_string(work.task.kind)},
                   {"state", name_of(where.state)},
                   {"step", text_of(where.step)},
                   {"created_at", format_time(work.task.created_at)},
                   {"since", format_time(where.since)},
                   {"attempts", work.task.attempts + (where.tried_again ? 1 : 0)},
                   {"next_attempt", time_of(where.next_attempt)}};
  out["behind"] = nullptr;
  if (where.before) {
    out["behind"] = json::object{{"task", where.before->id.str()}, {"kind", to_string(where.before->kind)}};
  }
  return out;
}

http::Response explained(const Call& call, const Explanation& told) {
  json::object view{{"resource", to_string(told.resource)},
                    {"id", told.id},
                    {"status", told.status},
                    {"settled", told.settled},
                    {"summary", told.summary},
                    {"since", format_time(told.since)},
                    {"waits_for", text_or_null(told.waits_for)},
                    {"ends_with", told.ends_with},
                    {"reason", text_or_null(told.reason)}};
  view["task"] = told.work ? json::value(task_view(*told.work)) : json::value(nullptr);
  view["missing_export"] = nullptr;
  if (told.missing_export) {
    view["missing_export"] = json::object{{"since", format_time(told.missing_export->since)},
                                          {"attempts", told.missing_export->attempts},
                                          {"next_attempt", time_of(told.missing_export->next_attempt)}};
  }
  if (call.actor.admin) {
    view["detail"] = json::object{{"error", text_or_null(told.detail.error)},
                                  {"error_code", text_or_null(told.detail.error_code)},
                                  {"task_id", text_or_null(told.detail.task_id)},
                                  {"request_id", text_or_null(told.detail.request_id)}};
  }
  return json_reply(200, json::object{{"explanation", std::move(view)}});
}

Reply explain_volume(Services& s, CallPtr call) {
  Explanation told = co_await s.explanations.explain(call->actor, Explained::Volume, call->path.get("id"));
  co_return explained(*call, told);
}

Reply explain_snapshot(Services& s, CallPtr call) {
  Explanation told = co_await s.explanations.explain(call->actor, Explained::Snapshot, call->path.get("id"));
  co_return explained(*call, told);
}

Reply explain_backup(Services& s, CallPtr call) {
  Explanation told = co_await s.explanations.explain(call->actor, Explained::Backup, call->path.get("id"));
  co_return explained(*call, told);
}

Reply explain_attachment(Services& s, CallPtr call) {
  Explanation told = co_await s.explanations.explain(call->actor, Explained::Attachment, call->path.get("id"));
  co_return explained(*call, told);
}

constexpr Row<Services> kRows[] = {
    {Verb::get, "/volumes/{id}/explain", "evs:volumes:get", explain_volume},
    {Verb::get, "/snapshots/{id}/explain", "evs:snapshots:get", explain_snapshot},
    {Verb::get, "/backups/{id}/explain", "member", explain_backup},
    {Verb::get, "/attachments/{id}/explain", "evs:volumes:get", explain_attachment},
};

}  // namespace

Rows explanations_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
