// Places where a test can kill the process or make a step fail, to prove that no crash leaves a volume stuck.
//
// FAILPOINT("name") costs one atomic load, and a store in a thread whose work is watched. The names are a closed list,
// so that the crash suite can walk all of them
// (`varved failpoints`); a name that is not in the list does not compile.
// Armed from the environment at start: VARVE_FAILPOINTS="name=kill", "name=error" (throws BackendFailed), "name=pause"
// (the process stops as by SIGSTOP, until it gets SIGCONT), several with commas; "name=kill@3" acts on the third pass.
// A simulator that is to outlive the crash arms "name=crash", which throws Crash.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string_view>

namespace varve {

inline constexpr auto kFailpoints = std::to_array<std::string_view>({
    "task.before_run",
    "task.before_finish",
    "task.after_finish",
    "database.restore.before_name",
    "volume.create.after_layer",
    "volume.create.after_manifest",
    "volume.delete.before_manifest",
    "volume.delete.after_manifest",
    "volume.extend.before_resize",
    "volume.extend.after_resize",
    "volume.rollback.after_overlay",
    "volume.rollback.after_manifest",
    "snapshot.create.after_intent",
    "snapshot.create.after_overlay",
    "snapshot.create.after_switch",
    "snapshot.create.after_manifest",
    "snapshot.delete.before_manifest",
    "snapshot.delete.after_manifest",
    "clone.after_freeze",
    "clone.after_overlay",
    "clone.after_manifest",
    "layer.merge.before_stream",
    "layer.merge.after_stream",
    "layer.merge.before_root",
    "layer.remove.after_unlink",
    "layer.commit.before_name",
    "attach.after_daemon",
    "attach.after_open",
    "attach.after_export",
    "detach.after_unexport",
    "detach.after_close",
    "volume.migrate.before_switch",
    "volume.adopt.after_manifest",
    "backup.after_helper",
    "backup.after_archive",
    "backup.before_restore",
    "backup.after_restore",
    "backup.after_remove",
    "group_snapshot.after_first",
    "transfer.before_commit",
    "transfer.after_commit",
    "image.before_download",
    "image.after_download",
    "image.after_fill",
    "image.after_helper",
    "image.after_copy",
    "image.after_upload",
    "start.admin.after_hand_out",
});

consteval std::size_t failpoint_index(std::string_view name) {
  for (std::size_t i = 0; i < kFailpoints.size(); ++i) {
    if (kFailpoints[i] == name) return i;
  }
  throw "FAILPOINT: name is not in kFailpoints";
}

namespace failpoint {

// Reads VARVE_FAILPOINTS; unknown names and actions throw Error(InvalidInput). Before threads start.
void arm_from_environment();
void arm(std::string_view name, std::string_view action);

// Nothing fails any more.
void disarm();

void hit(std::size_t index);

// The end of a process that is only played: no std::exception, so that nobody takes it for an error and goes on.
struct Crash {};

// How far a piece of work is: the last failpoint that it has passed. Written by its thread, read by any.
class Trail {
 public:
  std::string_view last() const;  // "": none yet

 private:
  friend class Watched;
  friend void hit(std::size_t index);
  std::atomic<std::size_t> passed_{0};  // index + 1
};

// What this thread does while the object lives is noted in the trail, which must live longer.
class Watched {
 public:
  explicit Watched(Trail& trail);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
};

}  // namespace failpoint
}  // namespace varve

#define FAILPOINT(name)                                            \
  do {                                                             \
    constexpr std::size_t index_ = ::varve::failpoint_index(name); \
    ::varve::failpoint::hit(index_);                               \
  } while (false)
