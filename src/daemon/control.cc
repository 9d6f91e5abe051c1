#include "daemon/control.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

namespace varve::daemon {

namespace json = boost::json;

namespace {

constexpr std::size_t kMaxLine = 1 << 20;
constexpr auto kLookEvery = std::chrono::seconds(3);  // at a varved that has nothing to say yet

sockaddr_un address_of(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = socket.string();
  if (path.size() >= sizeof address.sun_path) throw Error(ErrorCode::InvalidInput, path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

void set_patience(int fd, std::chrono::seconds time) {
  timeval patience{time.count(), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

// Without its end; "" when the other side has gone, or has nothing to say for as long as the socket's patience:
// `go_on` is asked then, and throws what it likes.
std::string read_line(int fd, const std::function<bool()>& go_on) {
  std::string line;
  char byte = 0;
  while (line.size() < kMaxLine) {
    ssize_t got = ::recv(fd, &byte, 1, 0);
    if (got < 0 && (errno == EINTR || (errno == EAGAIN && go_on()))) continue;
    if (got <= 0) return {};
    if (byte == '\n') return line;
    line += byte;
  }
  return {};
}

void write_line(int fd, const json::object& content) {
  std::string line = json::serialize(content) + "\n";
  for (std::string_view rest = line; !rest.empty();) {
    ssize_t done = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
}

// Whether the process behind the socket was halted: by SIGSTOP, a debugger or a terminal.
bool is_stopped(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  try {
    // "<pid> (<name>) <state> ...": proc(5)
    std::string stat = files::read("/proc/" + std::to_string(peer.pid) + "/stat");
    std::string_view state = std::string_view(stat).substr(stat.rfind(')') + 1);
    return state.starts_with(" T") || state.starts_with(" t");
  } catch (const Error&) {
    return false;  // it has ended, and the socket tells
  }
}

UniqueFd new_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw Error(ErrorCode::Unavailable, std::string("no socket can be made: ") + std::strerror(errno));
  return fd;
}

}  // namespace

Control::Control(std::filesystem::path socket, Handler handler)
    : socket_(std::move(socket)), handler_(std::move(handler)) {}

Control::~Control() {
  stop();
}

void Control::start() {
  sockaddr_un address = address_of(socket_);
  ::unlink(socket_.c_str());
  listener_ = new_socket();
  stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  // The umask is 0077: only the daemon's own user and root may connect.
  bool listens = ::bind(listener_.get(), generic(address), sizeof address) == 0 && ::listen(listener_.get(), 4) == 0;
  if (!listens || !stop_) {
    throw files::fault_of(errno, "cannot listen on " + socket_.string());
  }
  ::chmod(socket_.c_str(), 0600);
  thread_ = Thread("control", [this] { run(); });
}

void Control::stop() {
  if (!thread_.joinable()) return;
  std::uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) != sizeof one) log::error("the control thread cannot be told to stop");
  thread_.join();
  ::unlink(socket_.c_str());
}

void Control::run() {
  for (;;) {
    pollfd waiting[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    if (waiting[0].revents == 0) continue;
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    // Who connects and says nothing must not keep others out.
    set_patience(client.get(), std::chrono::seconds(10));
    if (client) answer(client.get());
  }
}

void Control::answer(int client) {
  std::string line = read_line(client, [] { return false; });
  if (line.empty()) return;
  json::object reply;
  try {
    reply = handler_(json::parse(line).as_object());
    reply["ok"] = true;
  } catch (const std::exception& fault) {
    reply = {{"ok", false}, {"error", fault.what()}};
  }
  write_line(client, reply);
}

std::optional<json::object> ask(const std::filesystem::path& socket, const json::object& question) {
  sockaddr_un address = address_of(socket);
  UniqueFd fd = new_socket();
  set_patience(fd.get(), kLookEvery);
  if (::connect(fd.get(), generic(address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
    if (errno == EAGAIN) throw Error(ErrorCode::Unavailable, "varved does not answer: too many asks wait for it");
    throw Error(ErrorCode::Unavailable, "cannot connect to " + socket.string() + ": " + std::strerror(errno));
  }
  write_line(fd.get(), question);
  auto require_running = [&] {
    if (is_stopped(fd.get())) throw Error(ErrorCode::Unavailable, "varved is stopped (SIGSTOP) and does not answer");
    return true;
  };
  std::string line = read_line(fd.get(), require_running);
  if (line.empty()) throw Error(ErrorCode::Unavailable, "varved ended before it answered");
  return json::parse(line).as_object();
}

}  // namespace varve::daemon
