// A thread. It has a name, which the system and the log show, and its destructor joins it: what it uses must outlive
// it, so that it is its owner's last member, or the owner joins it first. What its function throws ends neither varved
// nor the thread: it is logged, and after a pause the function is called again, until it returns. So a function returns
// when its owner wants it to end, and may begin anew at any time.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace varve {

class Thread {
 public:
  Thread() = default;
  // name: the system shows its first 15 characters. Throws std::system_error when there can be no further thread.
  Thread(std::string name, std::function<void()> run);
  ~Thread() { join(); }
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;  // joins what it was before

  // Waits until it has ended. No thread joins itself.
  void join();
  bool joinable() const { return thread_.joinable(); }

 private:
  std::thread thread_;
};

}  // namespace varve
