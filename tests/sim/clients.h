// Clients of the service: each makes one call after the other, of a kind and about objects that are picked at random
// among what there is, so that many calls meet each other and many are refused. A refusal is an answer; an error that
// says that it is our own fault is a breach.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkers/invariants.h"
#include "model/actor.h"
#include "random.h"
#include "service.h"
#include "trace.h"

namespace varve::sim {

// What all clients of a run share.
struct Told {
  std::set<VolumeId> acknowledged;
  std::map<TransferId, std::string> keys;
  bool crashed = false;  // a failpoint ended the process in a call
  std::string breach;
};

class Client {
 public:
  Client(int number, bool admin, Random& random, Trace& trace, Told& told);

  bool waits() const { return call_.has_value(); }
  // Picks a call and makes it; nothing if it finds no object for it. weights: of each kind of call.
  void begin(Service& service, const View& view, const std::vector<unsigned>& weights);
  // One step of its call, if there is one to do.
  bool poll();
  // The process is gone, and its answer with it.
  void forget();

  static std::size_t kinds();

 private:
  struct Kind;
  static const std::vector<Kind>& all();

  template <class T>
  void run(std::string what, boost::asio::awaitable<T> call, std::function<void(const T&)> then = {});
  void run(std::string what, boost::asio::awaitable<void> call);
  void ended(const std::exception_ptr& fault);

  // One of them: its own, most of the time.
  template <class Row>
  const Row& pick(const std::vector<Row>& rows);
  const model::Volume& volume(const View& view) { return pick(view.volumes); }
  const model::Snapshot& snapshot(const View& view) { return pick(view.snapshots); }

  void create_volume(Service& service, const View& view);
  void copy_volume(Service& service, const View& view);
  void remove_volume(Service& service, const View& view);
  void extend(Service& service, const View& view);
  void rollback(Service& service, const View& view);
  void retype(Service& service, const View& view);
  void create_snapshot(Service& service, const View& view);
  void remove_snapshot(Service& service, const View& view);
  void rename_snapshot(Service& service, const View& view);
  void create_attachment(Service& service, const View& view);
  void change_attachment(Service& service, const View& view);
  void remove_attachment(Service& service, const View& view);
  void old_attach(Service& service, const View& view);
  void old_detach(Service& service, const View& view);
  void swap(Service& service, const View& view);
  void create_group(Service& service, const View& view);
  void change_group(Service& service, const View& view);
  void remove_group(Service& service, const View& view);
  void copy_group(Service& service, const View& view);
  void group_snapshot(Service& service, const View& view);
  void create_transfer(Service& service, const View& view);
  void end_transfer(Service& service, const View& view);

  const int number_;
  Random& random_;
  Trace& trace_;
  Told& told_;
  model::Actor actor_;
  std::unique_ptr<boost::asio::io_context> io_;
  std::optional<std::string> call_;
};

}  // namespace varve::sim
