#include "qemu/qmp_client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log.h"

namespace varve::qemu {

namespace {

constexpr auto kReplyTimeout = std::chrono::seconds(60);  // every command answers at once; jobs run apart
constexpr std::size_t kMaxLine = 16U << 20;

UniqueFd connect_to(const std::filesystem::path& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path.string();
  if (!fd || text.size() >= sizeof address.sun_path) throw Error(ErrorCode::Unavailable, "bad socket path " + text);
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw Error(ErrorCode::Unavailable, "cannot reach the storage daemon at " + text + ": " + std::strerror(errno));
  }
  return fd;
}

[[noreturn]] void refuse(std::string_view command, std::string_view text) {
  bool full = text.find("No space left") != std::string_view::npos;
  throw Error(full ? ErrorCode::NoSpace : ErrorCode::BackendFailed, std::string(command) + ": " + std::string(text));
}

}  // namespace

QmpClient::QmpClient(const std::filesystem::path& socket, std::chrono::milliseconds timeout)
    : socket_(connect_to(socket)) {
  reader_ = std::thread([this] { read_loop(); });
  try {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, timeout, [&] { return greeted_ || lost_; });
      if (!greeted_)
        throw Error(ErrorCode::Unavailable, "the storage daemon at " + socket.string() + " does not answer");
    }
    execute("qmp_capabilities");
  } catch (...) {
    closing_ = true;
    ::shutdown(socket_.get(), SHUT_RDWR);
    reader_.join();
    throw;
  }
}

QmpClient::~QmpClient() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  ::shutdown(socket_.get(), SHUT_RDWR);
  reader_.join();
}

json::value QmpClient::execute(std::string_view command, json::object arguments) {
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    id = next_id_++;
    replies_[id] = std::nullopt;
  }
  json::object request{{"execute", command}, {"id", id}};
  if (!arguments.empty()) request["arguments"] = std::move(arguments);
  send(json::serialize(request) + "\n");

  std::unique_lock lock(mutex_);
  bool answered = changed_.wait_for(lock, kReplyTimeout, [&] { return lost_ || replies_[id].has_value(); });
  std::optional<json::object> reply = std::move(replies_[id]);
  replies_.erase(id);
  if (!reply) {
    throw Error(ErrorCode::Unavailable, std::string(command) + (answered ? ": the storage daemon is gone"
                                                                         : ": the storage daemon does not answer"));
  }
  if (const json::value* error = reply->if_contains("error")) {
    refuse(command, error->as_object().at("desc").as_string());
  }
  return reply->at("return");
}

void QmpClient::run_job(const std::string& id, std::string_view command, json::object arguments) {
  {
    std::lock_guard lock(mutex_);
    jobs_[id] = "created";
  }
  try {
    execute(command, std::move(arguments));
  } catch (...) {
    std::lock_guard lock(mutex_);
    jobs_.erase(id);
    throw;
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return lost_ || jobs_[id] == "concluded"; });
    jobs_.erase(id);
    if (lost_) throw Error(ErrorCode::Unavailable, std::string(command) + ": the storage daemon is gone");
  }
  std::string fault;
  json::value jobs = execute("query-jobs");
  for (const json::value& job : jobs.as_array()) {
    const json::object& entry = job.as_object();
    if (entry.at("id").as_string() != id) continue;
    if (const json::value* error = entry.if_contains("error")) fault = error->as_string();
  }
  execute("job-dismiss", {{"id", id}});
  if (!fault.empty()) refuse(command, fault);
}

void QmpClient::cancel_job(const std::string& id) {
  try {
    execute("job-cancel", {{"id", id}});
  } catch (const Error& fault) {
    log::debug("job not cancelled", {{"job", id}, {"reason", fault.message()}});
  }
}

void QmpClient::cancel_all_jobs() {
  auto none_left = [this] {
    json::value jobs = execute("query-jobs");
    for (const json::value& job : jobs.as_array()) {
      std::string id(job.at("id").as_string());
      if (job.at("status").as_string() == "concluded") {
        execute("job-dismiss", {{"id", id}});
      } else {
        cancel_job(id);
      }
    }
    return jobs.as_array().empty();
  };
  wait_until(none_left);
}

JobProgress QmpClient::job_progress(const std::string& id) {
  json::value jobs = execute("query-jobs");
  for (const json::value& job : jobs.as_array()) {
    const json::object& entry = job.as_object();
    if (entry.at("id").as_string() == id) {
      return {entry.at("current-progress").to_number<std::int64_t>(),
              entry.at("total-progress").to_number<std::int64_t>()};
    }
  }
  return {};
}

void QmpClient::wait_until(const std::function<bool()>& condition) {
  auto deadline = std::chrono::steady_clock::now() + kReplyTimeout;
  for (;;) {
    std::uint64_t seen = 0;
    {
      std::lock_guard lock(mutex_);
      seen = events_;
    }
    if (condition()) return;
    std::unique_lock lock(mutex_);
    bool heard = changed_.wait_until(lock, deadline, [&] { return lost_ || events_ != seen; });
    if (lost_ || !heard) throw Error(ErrorCode::Unavailable, "the storage daemon does not get done");
  }
}

bool QmpClient::lost() const {
  std::lock_guard lock(mutex_);
  return lost_;
}

void QmpClient::on_lost(std::function<void()> callback) {
  std::lock_guard lock(mutex_);
  on_lost_ = std::move(callback);
}

void QmpClient::send(std::string_view text) {
  std::lock_guard lock(send_mutex_);
  while (!text.empty()) {
    ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return;  // the reader notices the broken connection and fails the waiting calls
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void QmpClient::read_loop() {
  std::string buffer;
  char chunk[16384];
  for (;;) {
    ssize_t got = ::recv(socket_.get(), chunk, sizeof chunk, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || buffer.size() > kMaxLine) break;
    buffer.append(chunk, static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (std::size_t end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n', start)) {
      dispatch(std::string_view(buffer).substr(start, end - start));
      start = end + 1;
    }
    buffer.erase(0, start);
  }
  fail_all();
}

void QmpClient::dispatch(std::string_view line) {
  boost::system::error_code fault;
  json::value parsed = json::parse(line, fault);
  if (fault || !parsed.is_object()) return;
  json::object& message = parsed.as_object();
  std::lock_guard lock(mutex_);
  if (message.contains("QMP")) {
    greeted_ = true;
  } else if (const json::value* event = message.if_contains("event")) {
    ++events_;
    if (event->as_string() == "JOB_STATUS_CHANGE") {
      const json::object& data = message.at("data").as_object();
      auto job = jobs_.find(std::string_view(data.at("id").as_string()));
      if (job != jobs_.end()) job->second = data.at("status").as_string();
    }
  } else if (const json::value* id = message.if_contains("id")) {
    auto reply = replies_.find(id->to_number<std::uint64_t>());
    if (reply != replies_.end()) reply->second = std::move(message);
  }
  changed_.notify_all();
}

void QmpClient::fail_all() {
  std::function<void()> callback;
  {
    std::lock_guard lock(mutex_);
    lost_ = true;
    if (!closing_) callback = on_lost_;
  }
  changed_.notify_all();
  if (callback) callback();
}

}  // namespace varve::qemu
