// A connection to the QMP monitor of a QEMU storage daemon (docs/interop/qmp-spec in QEMU's tree).
//
// Any thread may call; each waits for its own reply. A thread of the client reads the socket. When the daemon closes
// the connection every waiting call throws Error(Unavailable) and on_lost runs once, on that thread.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/unique_fd.h"

namespace varve::qemu {

namespace json = boost::json;

struct JobProgress {
  std::int64_t current = 0;
  std::int64_t total = 0;
};

class QmpClient {
 public:
  // Connects and negotiates. Throws Error(Unavailable) if nobody answers in time.
  QmpClient(const std::filesystem::path& socket, std::chrono::milliseconds timeout);
  ~QmpClient();
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;

  // The command's "return" member. QEMU's refusal throws Error(BackendFailed) (NoSpace when it says so) with its text.
  json::value execute(std::string_view command, json::object arguments = {});

  // Starts a command that makes a job (its "job-id" must be `id`), waits until it has concluded, dismisses it.
  // A failed or cancelled job throws Error(BackendFailed).
  void run_job(const std::string& id, std::string_view command, json::object arguments);

  // Asks a running job to stop; its run_job throws soon. Nothing happens if there is none.
  void cancel_job(const std::string& id);

  // Cancels every job there is, whoever started it, and returns when none is left.
  void cancel_all_jobs();

  JobProgress job_progress(const std::string& id);

  // Looks again whenever the daemon tells of an event, until the condition holds; throws Error(Unavailable) after a
  // minute.
  void wait_until(const std::function<bool()>& condition);

  bool lost() const;
  void on_lost(std::function<void()> callback);

 private:
  void read_loop();
  void dispatch(std::string_view line);
  void fail_all();
  void send(std::string_view text);

  UniqueFd socket_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::mutex send_mutex_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::optional<json::object>> replies_;  // asked for; set when answered
  std::map<std::string, std::string, std::less<>> jobs_;          // last status heard of, by job id
  std::uint64_t events_ = 0;                                      // heard so far
  bool greeted_ = false;
  bool lost_ = false;
  bool closing_ = false;
  std::function<void()> on_lost_;
  std::thread reader_;
};

}  // namespace varve::qemu
