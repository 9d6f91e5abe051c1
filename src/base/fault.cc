#include "base/fault.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"

namespace varve::fault {

namespace {

struct Armed {
  int n = 0;  // 0: none fails
  int error = 0;
  int calls = 0;
  int times = 1;
};

Mutex g_mutex;
std::array<Armed, kKinds.size()> g_armed VARVE_GUARDED_BY(g_mutex);

[[noreturn]] void refuse(std::string_view item) {
  throw Error(ErrorCode::InvalidInput, "VARVE_FAULTS: kind:n=ERRNO wanted, not '" + std::string(item) + "'");
}

int error_named(std::string_view name, std::string_view item) {
  for (int number : {EIO, ENOSPC, EMFILE, EROFS, EACCES, EDQUOT, EAGAIN, ECONNREFUSED}) {
    if (name == strerrorname_np(number)) return number;
  }
  refuse(item);
}

void arm_item(std::string_view item) {
  std::string_view kind = item.substr(0, item.find(':'));
  const auto* found = std::ranges::find(kKinds, kind);
  if (found == kKinds.end() || kind.size() == item.size()) refuse(item);
  std::string_view rest = item.substr(kind.size() + 1);
  std::string_view number = rest.substr(0, rest.find('='));
  auto n = parse_int(number);
  if (!n || *n < 1) refuse(item);
  int error = number.size() == rest.size() ? EIO : error_named(rest.substr(number.size() + 1), item);
  arm(static_cast<Kind>(found - kKinds.begin()), static_cast<int>(*n), error);
}

}  // namespace

void arm(Kind kind, int n, int error, int times) {
  MutexLock lock(g_mutex);
  g_armed[static_cast<std::size_t>(kind)] = {n, error, 0, times};
  detail::armed = true;
}

void arm(std::string_view text) {
  if (text.empty()) return;
  for (const std::string& item : split(text, ',')) arm_item(item);
}

void arm_from_environment() {
  if (wanted()) arm(std::getenv("VARVE_FAULTS"));
}

bool wanted() {
  return std::getenv("VARVE_FAULTS") != nullptr;
}

bool disarm() {
  MutexLock lock(g_mutex);
  detail::armed = false;
  bool struck = std::ranges::all_of(g_armed, [](const Armed& one) { return one.calls >= one.n; });
  g_armed = {};
  return struck;
}

int calls(Kind kind) {
  MutexLock lock(g_mutex);
  return g_armed[static_cast<std::size_t>(kind)].calls;
}

namespace detail {

std::atomic<bool> armed{false};

bool strikes(Kind kind) {
  int error = 0;
  {
    MutexLock lock(g_mutex);
    Armed& one = g_armed[static_cast<std::size_t>(kind)];
    ++one.calls;
    if (one.calls < one.n || one.calls - one.n >= one.times) return false;
    error = one.error;
  }
  log::warning("a call fails as a test wants it", {{"call", kKinds[static_cast<std::size_t>(kind)]}});
  errno = error;
  return true;
}

}  // namespace detail
}  // namespace varve::fault
