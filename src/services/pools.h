// The pools of the storage as use cases see them: what each is called and what it offers, known once; and the questions
// about its disk and its daemons, which may take long and are asked on threads of that pool, never on one that serves
// requests or writes. A pool that does not answer is in no other's way.
//
// Any thread. An awaitable throws Error(Unavailable) when there is no answer in time.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "base/offload.h"
#include "services/settings.h"

namespace varve::services {

struct Pool {
  std::string name;
  std::string host;     // "varve@qcow2#default", as Cinder names a pool
  std::string service;  // under which id an operator has switched its service off (ServiceState)
  model::Metadata offers;
};

// By the name of the pool.
using backends::Capacity;
using backends::Usage;
using Rooms = std::map<std::string, backends::Capacity>;

class Pools {
 public:
  // at_once: questions to a pool; 0: as for base/offload.h.
  Pools(backends::Backend& backend, const Settings& settings, std::size_t at_once = 2);

  // After the last request.
  void end();

  const std::vector<Pool>& all() const { return known_; }  // the default one first
  // name: as a volume's row has it, "" for the default one. nullptr: it is not configured (any more).
  const Pool* find(const std::string& name) const;
  std::string host_of(const std::string& name) const;  // of one that is not configured too
  // As a row is to have it.
  std::string row_name(const std::string& name) const { return known_.size() == 1 ? std::string() : name; }

  // Has the pool what the type's extra specs ask for (those without a scope, or with "capabilities:")? Keys that it
  // knows nothing of are notes.
  bool suits(const std::string& name, const model::VolumeType& type) const { return lack(name, type).empty(); }
  // The first that it has not, as "name = value, the storage has other"; "": none.
  std::string lack(const std::string& name, const model::VolumeType& type) const;

  // A pool that does not answer within half a second is unavailable; nothing is thrown. All are asked at once.
  boost::asio::awaitable<backends::Capacity> room(std::string pool);
  boost::asio::awaitable<Rooms> rooms();
  // The one with the most room, of at least one. Blocks for seconds at most, and not when there is nothing to choose;
  // one that does not answer is the last choice.
  std::string roomiest(const std::vector<std::string>& pools);
  boost::asio::awaitable<std::vector<backends::Found>> found(std::string pool);
  // Of what is in the pool.
  boost::asio::awaitable<backends::Usage> usage(std::string pool, model::Source source);
  boost::asio::awaitable<int> independence_percent(std::string pool, VolumeId volume);

 private:
  std::string host(const std::string& backend_name, const std::string& pool) const;
  model::Metadata offers_of(const std::string& name) const;
  boost::asio::awaitable<Rooms> rooms_of(std::vector<std::string> pools);
  // A volume's layers may be in another pool that hangs: then at least what is asked about the pool itself is answered.
  struct Questions {
    explicit Questions(std::size_t at_once) : own(at_once), of_volumes(at_once) {}
    Offload own;
    Offload of_volumes;
  };
  Questions& questions_of(const std::string& pool);

  backends::Backend& backend_;
  const Settings& settings_;
  std::vector<Pool> known_;
  std::map<std::string, std::unique_ptr<Questions>> questions_;
};

}  // namespace varve::services
