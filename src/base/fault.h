// Calls to the system and to other processes that a test makes fail: the n-th of a kind, once, as the system would.
//
// A wrapper asks fails() before it makes the call; when that is true errno is set and the wrapper goes the way of the
// real fault. Unarmed it costs one relaxed load. Armed by a test, or from the environment of varved, which begins to
// count when it is ready: VARVE_FAULTS="fsync:3=ENOSPC,refusal:1" (an errno by name; without one it is EIO). A varved
// that has the variable, be it empty, is armed again over its control socket (daemon/faults_asked.h).
// What a QMP command meets has no errno: `refusal` is the daemon's own no, `silence` an answer that does not come to a
// command that is carried out.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string_view>

namespace varve::fault {

enum class Kind : std::uint8_t {
  Create,  // of a file, for writing
  Open,    // of a file, for reading
  Write,
  Fsync,
  Rename,
  Unlink,
  Spawn,
  Connect,
  Refusal,
  Silence,
  Statement,  // of SQL
  Commit,
};

inline constexpr auto kKinds =
    std::to_array<std::string_view>({"create", "open", "write", "fsync", "rename", "unlink", "spawn", "connect",
                                     "refusal", "silence", "statement", "commit"});

// The n-th call (from 1 on) of the kind fails, and those after it, `times` in all. Any thread.
void arm(Kind kind, int n, int error = EIO, int times = 1);
// As VARVE_FAULTS says it; "" arms nothing. Throws Error(InvalidInput) when it cannot be understood.
void arm(std::string_view text);
void arm_from_environment();
// VARVE_FAULTS is set: whoever started this process wants to make it fail.
bool wanted();
// Nothing fails any more. false: what was armed had not come to pass.
bool disarm();
// Calls of the kind since anything was armed; what was armed and not reached is for counting.
int calls(Kind kind);

namespace detail {
extern std::atomic<bool> armed;
bool strikes(Kind kind);
}  // namespace detail

inline bool fails(Kind kind) {
  return detail::armed.load(std::memory_order_relaxed) && detail::strikes(kind);
}

}  // namespace varve::fault
