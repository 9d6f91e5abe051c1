// A connection to the QMP monitor of a QEMU storage daemon (docs/interop/qmp-spec in QEMU's tree).
//
// Any thread but the listener's may call; each waits for its own reply. On the listener's the client connects,
// negotiates and reads.
//
// A daemon answers in the order it is asked. One that has owed an answer for longer than Timeouts::answer is stalled:
// who waits for it and who calls it then gets Error(Unavailable) at once, until the late answer comes. What was asked
// may be done late, too. Once the connection is lost every call throws Error(Unavailable).
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "qemu/listener.h"
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
  // Returns at once, and tries to connect until it is destroyed. name: the daemon's, for messages. The patience is
  // there as long as anybody calls.
  QmpClient(std::shared_ptr<Listener> listener, std::filesystem::path socket, std::string name,
            const Patience& patience, Peer peer);
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

  void close() VARVE_EXCLUDES(mutex_);
  boost::asio::awaitable<void> talk();
  boost::asio::awaitable<void> connect();
  bool is_ready() const VARVE_EXCLUDES(mutex_);
  bool is_closing() const VARVE_EXCLUDES(mutex_);
  bool try_connect();
  boost::asio::awaitable<void> read();
  void dispatch(std::string_view line);
  void heard(json::object message) VARVE_REQUIRES(mutex_);
  json::value call(std::string_view command, json::object arguments) VARVE_EXCLUDES(mutex_);
  std::uint64_t ask(std::string_view command, json::object arguments) VARVE_EXCLUDES(mutex_);
  json::object await_reply(std::uint64_t id, std::string_view command) VARVE_EXCLUDES(mutex_);
  void forget(std::uint64_t id) VARVE_REQUIRES(mutex_);
  void send(std::string_view text) VARVE_EXCLUDES(mutex_, send_mutex_);
  int descriptor() const VARVE_EXCLUDES(mutex_);
  void await(std::string_view command, const std::function<bool()>& done) VARVE_REQUIRES(mutex_);
  std::chrono::milliseconds time_left() const VARVE_REQUIRES(mutex_);
  void put_off_settling() VARVE_REQUIRES(settle_mutex_);
  bool cancel_jobs();
  void finalize_job(const std::string& id, std::string_view command, const std::function<void()>& before_end);
  void await_job(const std::string& id, std::string_view command, std::string_view status);
  bool job_at(const std::string& id, std::string_view status) VARVE_REQUIRES(mutex_);
  void end_job(const std::string& id, std::string_view command);
  void clear_job(const std::string& id);
  void forget_job(const std::string& id) VARVE_EXCLUDES(mutex_);
  [[noreturn]] void give_up(std::string_view command) VARVE_REQUIRES(mutex_);

  const std::filesystem::path path_;
  const std::string name_;
  const Patience& patience_;

  mutable Mutex mutex_;
  Condition changed_;
  int descriptor_ VARVE_GUARDED_BY(mutex_) = -1;  // of socket_, from before ready_
  std::uint64_t next_id_ VARVE_GUARDED_BY(mutex_) = 1;
  // By id, so that the first without a reply is the oldest.
  std::map<std::uint64_t, Asked> asked_ VARVE_GUARDED_BY(mutex_);
  std::map<std::string, Job, std::less<>> jobs_ VARVE_GUARDED_BY(mutex_);  // those in run_job()
  std::uint64_t events_ VARVE_GUARDED_BY(mutex_) = 0;                      // heard so far
  bool ready_ VARVE_GUARDED_BY(mutex_) = false;                            // negotiated
  bool lost_ VARVE_GUARDED_BY(mutex_) = false;
  bool closing_ VARVE_GUARDED_BY(mutex_) = false;
  bool ended_ VARVE_GUARDED_BY(mutex_) = false;  // talk() has
  bool told_ VARVE_GUARDED_BY(mutex_) = false;   // the log knows that it is stalled

  Mutex send_mutex_;  // one command after the other
  Mutex settle_mutex_ VARVE_ACQUIRED_BEFORE(mutex_);
  std::atomic<bool> unsettled_;  // may have jobs that nobody waits for
  // Not before, as it failed.
  std::chrono::steady_clock::time_point settle_again_ VARVE_GUARDED_BY(settle_mutex_){};
  const std::shared_ptr<Listener> listener_;
  // Used on the listener's thread.
  boost::asio::local::stream_protocol::socket socket_;
  std::shared_ptr<boost::asio::steady_timer> pause_;  // before the next try to connect
};

}  // namespace varve::qemu
