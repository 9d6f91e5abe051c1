// A connection to the QMP monitor of a QEMU storage daemon (docs/interop/qmp-spec in QEMU's tree).
//
// Any thread may call; each waits for its own reply. A thread of the client connects, negotiates and reads.
//
// A daemon answers in the order it is asked. One that has owed an answer for longer than Timeouts::answer is stalled:
// who waits for it and who calls it then gets Error(Unavailable) at once, until the late answer comes. What was asked
// may be done late, too. Once the connection is lost every call throws Error(Unavailable).
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/thread.h"
#include "base/unique_fd.h"
#include "qemu/timeouts.h"

namespace varve::qemu {

namespace json = boost::json;

struct JobProgress {
  std::int64_t current = 0;
  std::int64_t total = 0;
};

// Whose jobs may be found at the other end.
enum class Peer : std::uint8_t {
  New,
  Adopted,  // an earlier varved may have left some: they are cancelled before the first command
};

class QmpClient {
 public:
  // Returns at once, and tries to connect until it is destroyed. name: the daemon's, for messages.
  QmpClient(std::filesystem::path socket, std::string name, const Patience& patience, Peer peer);
  ~QmpClient();
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;

  // The command's "return" member. QEMU's refusal throws Error(BackendFailed) (NoSpace when it says so) with its text.
  json::value execute(std::string_view command, json::object arguments = {});

  // Starts a command that makes a job (its "job-id" must be `id`), waits until it has concluded, dismisses it.
  // A failed or cancelled job throws Error(BackendFailed). It takes as long as it takes while it moves; one that does
  // not for Timeouts::progress throws Error(Unavailable) and is cancelled before the next command.
  // before_end: runs when the job has done its work, before what it did counts; when it throws the job is cancelled.
  // Only for a job that was started with "auto-finalize": false.
  void run_job(const std::string& id, std::string_view command, json::object arguments,
               const std::function<void()>& before_end = {});

  // Asks a running job to stop; its run_job throws soon. Nothing happens if there is none.
  void cancel_job(const std::string& id);

  // Of a job in run_job(), as last heard, which is about a second old. Never waits.
  JobProgress job_progress(const std::string& id) const;

  // Looks again whenever the daemon tells of an event, until the condition holds; throws Error(Unavailable) when it
  // does not within Timeouts::answer.
  void wait_until(const std::function<bool()>& condition);

  // Cancels the jobs that nobody waits for, if there may be some. Done before any command; here for its own sake.
  void settle();
  // Waits until the connection stands.
  bool ready_by(std::chrono::steady_clock::time_point deadline);

  // Asks something that costs nothing, and waits for the answer until then. Throws Error(Unavailable) when the daemon
  // is known not to answer, or gone.
  bool answers_by(std::chrono::steady_clock::time_point deadline);

  // Owes an answer for too long, or has a job that was given up.
  bool stalled() const;
  bool lost() const;

 private:
  struct Asked {
    std::chrono::steady_clock::time_point when;
    std::optional<json::object> reply = std::nullopt;
    bool given_up = false;  // nobody waits for the reply any more
  };
  struct Job {
    std::string status = "created";
    JobProgress progress;
  };
  using Lock = std::unique_lock<std::mutex>;

  void run();
  void connect();
  bool try_connect();
  void read();
  void dispatch(std::string_view line);
  void heard(json::object message);
  json::value call(std::string_view command, json::object arguments);
  std::uint64_t ask(std::string_view command, json::object arguments);
  void send(std::string_view text);
  void await(Lock& lock, std::string_view command, const std::function<bool()>& done);
  std::chrono::milliseconds time_left() const;
  bool cancel_jobs();
  void finalize_job(const std::string& id, std::string_view command, const std::function<void()>& before_end);
  void await_job(const std::string& id, std::string_view command, std::string_view status);
  bool job_at(Lock& lock, const std::string& id, std::string_view status);
  void end_job(const std::string& id, std::string_view command);
  void clear_job(const std::string& id);
  [[noreturn]] void give_up(Lock& lock, std::string_view command);

  const std::filesystem::path path_;
  const std::string name_;
  const Patience& patience_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  UniqueFd socket_;  // set once, before ready_
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Asked> asked_;          // by id, so that the first without a reply is the oldest
  std::map<std::string, Job, std::less<>> jobs_;  // those in run_job()
  std::uint64_t events_ = 0;                      // heard so far
  bool ready_ = false;                            // negotiated
  bool lost_ = false;
  bool closing_ = false;
  bool told_ = false;  // the log knows that it is stalled

  std::mutex send_mutex_;
  std::mutex settle_mutex_;
  std::atomic<bool> unsettled_;                           // may have jobs that nobody waits for
  std::chrono::steady_clock::time_point settle_again_{};  // not before, as it failed
  Thread thread_;
};

}  // namespace varve::qemu
