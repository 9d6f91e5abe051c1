// Asks of the operator to the running daemon: a unix socket, `<run directory>/control.sock`, mode 0600. One line of
// JSON is an ask, one is the answer: {"ok":true, ...} or {"ok":false, "error":"..."}. One ask at a time.
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/thread.h"
#include "base/unique_fd.h"

namespace varve::daemon {

class Control {
 public:
  using Handler = std::function<boost::json::object(const boost::json::object& ask)>;  // may throw Error

  Control(std::filesystem::path socket, Handler handler);
  ~Control();

  void start();
  // A running handler must have been told to end.
  void stop();

 private:
  void run();
  void answer(int client);

  const std::filesystem::path socket_;
  const Handler handler_;
  UniqueFd listener_;
  UniqueFd stop_;
  Thread thread_;
};

// The answer of the daemon that listens there, for as long as it takes; nullopt: none does. Error(Unavailable): it has
// ended, or its process is stopped.
std::optional<boost::json::object> ask(const std::filesystem::path& socket, const boost::json::object& question);

}  // namespace varve::daemon
