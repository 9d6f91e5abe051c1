// The forest of layers, in memory: who is whose parent, and what refers to what. Pure bookkeeping, no I/O, no locks.
//
// A layer is one qcow2 file; its parent is its backing file. A layer is referred to by a volume (its active layer) or
// by a snapshot (its frozen layer), or by nothing. What nothing refers to can go: a leaf is removed, a layer with one
// child is merged into that child. A layer with two or more children stays.
// A damaged layer is one whose file is missing or cannot be read: what it stands on may be unknown. It is kept in the
// graph, so that what refers to it can say so; nothing is merged in a chain that has one.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"

namespace varve::qcow2 {

struct Damage {
  LayerId layer;
  std::string reason;
};

// A run of layers that nothing refers to, each with one child, is merged as one piece into the layer above it.
//
// Copy into `target` all that it reads from the layers between it and `base` (nullopt: from all below it).
struct Merge {
  LayerId target;
  std::optional<LayerId> base;

  bool operator==(const Merge&) const = default;
};

class LayerGraph {
 public:
  // damage: "" for a sound layer. The parent is in the graph.
  void add(const LayerId& id, const std::optional<LayerId>& parent, std::string damage = "");
  void hurt(const LayerId& id, const std::string& damage);             // it was sound
  void mend(const LayerId& id, const std::optional<LayerId>& parent);  // it is sound after all
  bool contains(const LayerId& id) const { return layers_.contains(id); }

  // Counted: a layer may be held by a snapshot and, for a moment, by an operation.
  void refer(const LayerId& id);
  void release(const LayerId& id);

  std::optional<LayerId> parent(const LayerId& id) const;
  std::size_t children(const LayerId& id) const;
  int references(const LayerId& id) const { return at(id).references; }
  std::vector<LayerId> chain(const LayerId& top) const;  // top first, root last
  std::vector<LayerId> all() const;
  std::optional<Damage> damage(const LayerId& top) const;  // the uppermost of its chain
  std::vector<LayerId> damaged() const;

  // Nothing refers to them or stands on them.
  std::vector<LayerId> removable(const std::set<LayerId>& busy) const;
  // Every merge that would drop layers, as many as it can each; the caller picks those that can run now.
  std::vector<Merge> merges(const std::set<LayerId>& busy) const;
  // Of such a merge: what it drops, from the top. Empty when it is no longer one.
  std::vector<LayerId> dropped_by(const Merge& merge, const std::set<LayerId>& busy) const;

  // After the bytes have moved: `target` stands on `base` now.
  void reparent(const Merge& merge);
  // The layer must have no child and no reference.
  void remove(const LayerId& id);

 private:
  struct Layer {
    std::optional<LayerId> parent;
    std::set<LayerId> children;
    int references = 0;
    std::string damage;
  };
  Layer& at(const LayerId& id);
  const Layer& at(const LayerId& id) const;

  bool can_go(const LayerId& id, const std::set<LayerId>& busy) const;

  std::map<LayerId, Layer> layers_;
  std::set<LayerId> unreferenced_;  // few: those that wait for maintenance, and those that two or more stand on
};

}  // namespace varve::qcow2
