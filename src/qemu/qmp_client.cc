#include "qemu/qmp_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace varve::qemu {

namespace asio = boost::asio;

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxLine = 16U << 20;
constexpr std::uint64_t kGreeting = 0;  // the id of what a new connection is asked: whether it is there
constexpr auto kConnectAgain = milliseconds(100);
constexpr auto kSendTimeout = milliseconds(1000);
constexpr auto kLookAtJob = milliseconds(1000);

milliseconds since(steady_clock::time_point when) {
  return std::chrono::duration_cast<milliseconds>(steady_now() - when);
}

[[noreturn]] void refuse(std::string_view command, std::string_view text) {
  ErrorCode code = ErrorCode::BackendFailed;
  if (text.find("No space left") != std::string_view::npos) code = ErrorCode::NoSpace;
  if (text.find("Read-only file system") != std::string_view::npos) code = ErrorCode::Unavailable;
  throw Error(code, std::string(command) + ": " + std::string(text));
}

}  // namespace

QmpClient::QmpClient(std::shared_ptr<Listener> listener, std::filesystem::path socket, std::string name,
                     const Patience& patience, Peer peer)
    : path_(std::move(socket)),
      name_(std::move(name)),
      patience_(patience),
      unsettled_(peer == Peer::Adopted),
      listener_(std::move(listener)),
      socket_(listener_->io()),
      pause_(std::make_shared<asio::steady_timer>(listener_->io())) {
  asked_[kGreeting] = {steady_now()};
  asio::co_spawn(listener_->io(), talk(), asio::detached);
}

QmpClient::~QmpClient() {
  close();
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [&]() VARVE_REQUIRES(mutex_) { return ended_; });
}

// talk() looks at closing_ before it begins to wait, on the thread that ends the wait.
void QmpClient::close() {
  MutexLock lock(mutex_);
  closing_ = true;
  if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
  asio::post(listener_->io(), [pause = pause_] { pause->cancel(); });
}

json::value QmpClient::execute(std::string_view command, json::object arguments) {
  settle();
  return call(command, std::move(arguments));
}

json::value QmpClient::call(std::string_view command, json::object arguments) {
  if (fault::fails(fault::Kind::Refusal)) refuse(command, std::strerror(errno));
  std::uint64_t id = ask(command, std::move(arguments));
  json::object reply = await_reply(id, command);
  if (const json::value* error = reply.if_contains("error")) {
    refuse(command, error->as_object().at("desc").as_string());
  }
  return reply.at("return");
}

json::object QmpClient::await_reply(std::uint64_t id, std::string_view command) {
  MutexLock lock(mutex_);
  try {
    if (fault::fails(fault::Kind::Silence)) give_up(command);
    await(command, [&]() VARVE_REQUIRES(mutex_) { return asked_.at(id).reply.has_value(); });
  } catch (const Error&) {
    forget(id);
    throw;
  }
  json::object reply = std::move(*asked_.at(id).reply);
  forget(id);
  return reply;
}

// Nobody waits for the reply any more.
void QmpClient::forget(std::uint64_t id) {
  auto asked = asked_.find(id);
  if (asked->second.reply) {
    asked_.erase(asked);
  } else {
    asked->second.given_up = true;
  }
}

std::uint64_t QmpClient::ask(std::string_view command, json::object arguments) {
  std::uint64_t id = 0;
  {
    MutexLock lock(mutex_);
    await(command, [&]() VARVE_REQUIRES(mutex_) { return ready_; });
    if (time_left() <= milliseconds(0)) give_up(command);
    id = next_id_++;
    asked_[id] = {steady_now()};
  }
  json::object request{{"execute", command}, {"id", id}};
  if (!arguments.empty()) request["arguments"] = std::move(arguments);
  send(json::serialize(request) + "\n");
  return id;
}

void QmpClient::await(std::string_view command, const std::function<bool()>& done) {
  while (!done()) {
    if (lost_) throw Error(ErrorCode::Unavailable, std::string(command) + ": the storage daemon " + name_ + " is gone");
    milliseconds left = time_left();
    if (left <= milliseconds(0)) give_up(command);
    changed_.wait_for(mutex_, std::min(left, kLook));
  }
}

void QmpClient::give_up(std::string_view command) {
  if (!told_) {
    log::error("a storage daemon does not answer; what needs it fails until it does",
               {{"daemon", name_}, {"command", command}});
  }
  told_ = true;
  throw Error(ErrorCode::Unavailable, std::string(command) + ": the storage daemon " + name_ + " does not answer");
}

// Until the oldest answer that is owed is too late.
milliseconds QmpClient::time_left() const {
  for (const auto& [id, asked] : asked_) {
    if (!asked.reply) return patience_.answer() - since(asked.when);
  }
  return patience_.answer();
}

void QmpClient::settle() {
  if (!unsettled_) return;
  MutexLock one(settle_mutex_);
  if (!unsettled_) return;
  if (steady_now() < settle_again_) {
    throw Error(ErrorCode::Unavailable, "a job of the storage daemon " + name_ + " does not end");
  }
  try {
    wait_until([this] { return cancel_jobs(); });
    unsettled_ = false;
  } catch (const Error&) {
    put_off_settling();
    throw;
  }
}

// Unless it was for want of an answer: then that is waited for.
void QmpClient::put_off_settling() {
  MutexLock lock(mutex_);
  if (time_left() > milliseconds(0)) settle_again_ = steady_now() + patience_.answer();
}

// true: there is none.
bool QmpClient::cancel_jobs() {
  json::value jobs = call("query-jobs", {});
  for (const json::value& job : jobs.as_array()) {
    const char* command = job.at("status").as_string() == "concluded" ? "job-dismiss" : "job-cancel";
    try {
      call(command, {{"id", job.at("id")}});
    } catch (const Error& fault) {
      if (fault.code() == ErrorCode::Unavailable) throw;  // else it has just changed: the next look tells
    }
  }
  return jobs.as_array().empty();
}

void QmpClient::run_job(const std::string& id, std::string_view command, json::object arguments,
                        const std::function<void()>& before_end) {
  settle();
  {
    MutexLock lock(mutex_);
    jobs_[id] = {};
  }
  try {
    call(command, std::move(arguments));
    if (before_end) finalize_job(id, command, before_end);
    await_job(id, command, "concluded");
    end_job(id, command);
  } catch (const Error& fault) {
    if (fault.code() == ErrorCode::Unavailable) {
      unsettled_ = true;  // it may have begun, or begin late
    } else {
      clear_job(id);
    }
    forget_job(id);
    throw;
  }
  forget_job(id);
}

void QmpClient::forget_job(const std::string& id) {
  MutexLock lock(mutex_);
  jobs_.erase(id);
}

void QmpClient::finalize_job(const std::string& id, std::string_view command, const std::function<void()>& before_end) {
  await_job(id, command, "pending");
  {
    MutexLock lock(mutex_);
    if (jobs_.at(id).status != "pending") return;  // it failed or was cancelled
  }
  try {
    before_end();
  } catch (const Error&) {
    cancel_job(id);
    await_job(id, command, "concluded");
    call("job-dismiss", {{"id", id}});
    throw;
  }
  call("job-finalize", {{"id", id}});
}

// Until it has the status, or has ended.
void QmpClient::await_job(const std::string& id, std::string_view command, std::string_view status) {
  JobProgress seen{-1, -1};
  auto moved = steady_now();
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (job_at(id, status)) return;
      if (lost_)
        throw Error(ErrorCode::Unavailable, std::string(command) + ": the storage daemon " + name_ + " is gone");
    }
    JobProgress present;
    json::value jobs = call("query-jobs", {});
    for (const json::value& job : jobs.as_array()) {
      if (job.at("id").as_string() != id) continue;
      present = {job.at("current-progress").to_number<std::int64_t>(),
                 job.at("total-progress").to_number<std::int64_t>()};
    }
    if (present.current != seen.current || present.total != seen.total) moved = steady_now();
    if (since(moved) > patience_.progress()) {
      throw Error(ErrorCode::Unavailable,
                  std::string(command) + ": the job of the storage daemon " + name_ + " makes no progress");
    }
    seen = present;
    MutexLock lock(mutex_);
    jobs_.at(id).progress = present;
  }
}

// Waits for it, but not for long.
bool QmpClient::job_at(const std::string& id, std::string_view status) {
  auto over = [&]() VARVE_REQUIRES(mutex_) {
    const std::string& present = jobs_.at(id).status;
    return present == status || present == "concluded" || present == "null";
  };
  changed_.wait_for(mutex_, kLookAtJob, [&]() VARVE_REQUIRES(mutex_) { return lost_ || over(); });
  return over();
}

void QmpClient::end_job(const std::string& id, std::string_view command) {
  std::optional<std::string> fault = "the job was cancelled";
  json::value jobs = call("query-jobs", {});
  for (const json::value& job : jobs.as_array()) {
    if (job.at("id").as_string() != id) continue;
    const json::value* error = job.as_object().if_contains("error");
    fault = error ? std::optional<std::string>(error->as_string()) : std::nullopt;
    call("job-dismiss", {{"id", id}});
  }
  if (fault) refuse(command, *fault);
}

// After a fault that left the daemon answering: a job that stays would be in the way of the next of its name.
void QmpClient::clear_job(const std::string& id) {
  try {
    json::value jobs = call("query-jobs", {});
    for (const json::value& job : jobs.as_array()) {
      if (job.at("id").as_string() != id) continue;
      if (job.at("status").as_string() != "concluded") {
        cancel_job(id);
        await_job(id, "job-cancel", "concluded");
      }
      call("job-dismiss", {{"id", id}});
    }
  } catch (const Error& fault) {
    log::warning("a job was left in a storage daemon", {{"job", id}, {"error", fault.message()}});
    unsettled_ = true;
  }
}

void QmpClient::cancel_job(const std::string& id) {
  try {
    call("job-cancel", {{"id", id}});
  } catch (const Error& fault) {
    log::debug("job not cancelled", {{"job", id}, {"reason", fault.message()}});
  }
}

JobProgress QmpClient::job_progress(const std::string& id) const {
  MutexLock lock(mutex_);
  auto found = jobs_.find(id);
  return found == jobs_.end() ? JobProgress{} : found->second.progress;
}

void QmpClient::wait_until(const std::function<bool()>& condition) {
  auto started = steady_now();
  for (;;) {
    std::uint64_t seen = 0;
    {
      MutexLock lock(mutex_);
      seen = events_;
    }
    if (condition()) return;
    MutexLock lock(mutex_);
    while (!lost_ && events_ == seen) {
      if (since(started) > patience_.answer()) {
        throw Error(ErrorCode::Unavailable, "the storage daemon " + name_ + " does not get done");
      }
      changed_.wait_for(mutex_, kLook);
    }
    if (lost_) throw Error(ErrorCode::Unavailable, "the storage daemon " + name_ + " is gone");
  }
}

bool QmpClient::ready_by(steady_clock::time_point deadline) {
  MutexLock lock(mutex_);
  changed_.wait_until(mutex_, deadline, [&]() VARVE_REQUIRES(mutex_) { return ready_ || lost_; });
  return ready_ && !lost_;
}

bool QmpClient::answers_by(steady_clock::time_point deadline) {
  if (!ready_by(deadline)) return false;
  std::uint64_t id = ask("query-jobs", {});
  MutexLock lock(mutex_);
  changed_.wait_until(mutex_, deadline, [&]() VARVE_REQUIRES(mutex_) { return asked_.at(id).reply || lost_; });
  bool answered = asked_.at(id).reply.has_value();
  forget(id);
  return answered;
}

bool QmpClient::stalled() const {
  MutexLock lock(mutex_);
  return time_left() <= milliseconds(0) || (ready_ && unsettled_);
}

bool QmpClient::lost() const {
  MutexLock lock(mutex_);
  return lost_;
}

// A daemon that reads nothing for long is given up before its buffer is full. Half a command cannot be taken back: the
// connection ends with it.
void QmpClient::send(std::string_view text) {
  const int socket = descriptor();
  MutexLock one(send_mutex_);
  while (!text.empty()) {
    ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    pollfd room{socket, POLLOUT, 0};
    if (errno == EAGAIN && ::poll(&room, 1, static_cast<int>(kSendTimeout.count())) > 0) continue;
    ::shutdown(socket, SHUT_RDWR);
    return;  // the reader notices, and fails the waiting calls
  }
}

// -1: there is none yet.
int QmpClient::descriptor() const {
  MutexLock lock(mutex_);
  return descriptor_;
}

asio::awaitable<void> QmpClient::talk() {
  try {
    co_await connect();
    co_await read();
  } catch (const std::exception& fault) {
    log::error("the talk with a storage daemon broke off", {{"daemon", name_}, {"error", fault.what()}});
  }
  MutexLock lock(mutex_);
  lost_ = ended_ = true;
  if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
  changed_.notify_all();  // with the lock: once it is free there may be no client
}

// A daemon that is stopped has room for few connections, and then for none.
asio::awaitable<void> QmpClient::connect() {
  while (!is_closing() && !try_connect()) {
    boost::system::error_code cancelled;
    pause_->expires_after(kConnectAgain);
    co_await pause_->async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

bool QmpClient::is_ready() const {
  MutexLock lock(mutex_);
  return ready_;
}

bool QmpClient::is_closing() const {
  MutexLock lock(mutex_);
  return closing_;
}

// Asio takes a socket whose peer has no room for a connection for one that is connecting.
bool QmpClient::try_connect() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path_.string();
  if (text.size() >= sizeof address.sun_path) throw Error(ErrorCode::Unavailable, "bad socket path " + text);
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  if (!fd || fault::fails(fault::Kind::Connect) ||
      ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return false;
  socket_.assign(asio::local::stream_protocol(), fd.get());
  fd.release();
  MutexLock lock(mutex_);
  descriptor_ = socket_.native_handle();
  if (closing_) ::shutdown(descriptor_, SHUT_RDWR);
  return true;
}

asio::awaitable<void> QmpClient::read() {
  if (!socket_.is_open()) co_return;
  std::string buffer;
  boost::system::error_code fault;
  for (;;) {
    std::size_t line = co_await asio::async_read_until(socket_, asio::dynamic_buffer(buffer, kMaxLine), '\n',
                                                       asio::redirect_error(asio::use_awaitable, fault));
    if (fault) co_return;
    dispatch(std::string_view(buffer).substr(0, line));
    buffer.erase(0, line);
  }
}

void QmpClient::dispatch(std::string_view line) {
  boost::system::error_code fault;
  json::value parsed = json::parse(line, fault);
  if (fault || !parsed.is_object()) return;
  json::object& message = parsed.as_object();
  if (message.contains("QMP")) {
    if (is_ready()) return;  // a daemon greets once, and its buffer is empty then: the answer is not waited for
    send(R"({"execute": "qmp_capabilities", "id": 0})"
         "\n");
    return;
  }
  {
    MutexLock lock(mutex_);
    heard(std::move(message));
  }
  changed_.notify_all();
}

void QmpClient::heard(json::object message) {
  if (const json::value* event = message.if_contains("event")) {
    ++events_;
    if (event->as_string() != "JOB_STATUS_CHANGE") return;
    const json::object& data = message.at("data").as_object();
    auto job = jobs_.find(std::string_view(data.at("id").as_string()));
    if (job != jobs_.end()) job->second.status = data.at("status").as_string();
  } else if (const json::value* id = message.if_contains("id")) {
    auto asked = asked_.find(id->to_number<std::uint64_t>());
    if (asked == asked_.end()) return;
    if (asked->first == kGreeting) ready_ = true;
    if (asked->first == kGreeting || asked->second.given_up) {
      asked_.erase(asked);
    } else {
      asked->second.reply = std::move(message);
    }
    if (told_ && time_left() > milliseconds(0)) {
      log::warning("a storage daemon answers again", {{"daemon", name_}});
      told_ = false;
    }
  }
}

}  // namespace varve::qemu
