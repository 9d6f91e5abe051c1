// What a run did, a line a step. Ids are written as short names in the order in which they are first met ("v1", "s2"),
// so that the same seed gives the same text. The hash tells whether two runs were the same.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "model/source.h"

namespace varve::sim {

class Trace {
 public:
  // print: to stdout, as it happens.
  Trace(const Clock& clock, bool print) : clock_(clock), began_(clock.now()), print_(print) {}

  void line(const std::string& text);

  std::string of(const VolumeId& id) { return name('v', id.str()); }
  std::string of(const SnapshotId& id) { return name('s', id.str()); }
  std::string of(const model::Source& source) { return source.snapshot ? of(*source.snapshot) : of(source.volume); }
  std::string of(const AttachmentId& id) { return name('a', id.str()); }
  std::string of(const TaskId& id) { return name('t', id.str()); }
  std::string of(const GroupId& id) { return name('g', id.str()); }
  std::string of(const GroupSnapshotId& id) { return name('G', id.str()); }
  std::string of(const TransferId& id) { return name('x', id.str()); }

  // With names in place of the ids that have one.
  std::string named(std::string text) const;

  std::uint64_t hash() const { return hash_; }
  const std::deque<std::string>& last() const { return last_; }

 private:
  std::string name(char kind, const std::string& id);

  const Clock& clock_;
  const Timestamp began_;
  const bool print_;
  std::uint64_t lines_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  std::deque<std::string> last_;
  std::map<std::string, std::string> names_;
  std::map<char, int> counts_;
};

}  // namespace varve::sim
