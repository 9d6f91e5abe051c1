#include "backends/qcow2/layer_graph.h"

#include "base/check.h"

namespace varve::qcow2 {

void LayerGraph::add(const LayerId& id, const std::optional<LayerId>& parent, std::string damage) {
  VARVE_CHECK(!layers_.contains(id), "a layer was added twice");
  if (parent) at(*parent).children.insert(id);
  Layer& layer = layers_[id];
  layer.parent = parent;
  layer.damage = std::move(damage);
  unreferenced_.insert(id);
}

void LayerGraph::hurt(const LayerId& id, const std::string& damage) {
  at(id).damage = damage;
}

void LayerGraph::mend(const LayerId& id, const std::optional<LayerId>& parent) {
  Layer& layer = at(id);
  VARVE_CHECK(!layer.damage.empty(), "a sound layer was mended");
  if (layer.parent) at(*layer.parent).children.erase(id);
  if (parent) at(*parent).children.insert(id);
  layer.parent = parent;
  layer.damage.clear();
}

void LayerGraph::refer(const LayerId& id) {
  if (at(id).references++ == 0) unreferenced_.erase(id);
}

void LayerGraph::release(const LayerId& id) {
  Layer& layer = at(id);
  VARVE_CHECK(layer.references > 0, "a layer was released that nothing refers to");
  if (--layer.references == 0) unreferenced_.insert(id);
}

std::optional<LayerId> LayerGraph::parent(const LayerId& id) const {
  return at(id).parent;
}

std::size_t LayerGraph::children(const LayerId& id) const {
  return at(id).children.size();
}

std::vector<LayerId> LayerGraph::chain(const LayerId& top) const {
  std::vector<LayerId> out;
  for (std::optional<LayerId> next = top; next; next = at(*next).parent) out.push_back(*next);
  return out;
}

std::vector<LayerId> LayerGraph::all() const {
  std::vector<LayerId> out;
  for (const auto& [id, layer] : layers_) out.push_back(id);
  return out;
}

std::optional<Damage> LayerGraph::damage(const LayerId& top) const {
  for (std::optional<LayerId> next = top; next;) {
    const Layer& layer = at(*next);
    if (!layer.damage.empty()) return Damage{*next, layer.damage};
    next = layer.parent;
  }
  return std::nullopt;
}

std::vector<LayerId> LayerGraph::damaged() const {
  std::vector<LayerId> out;
  for (const auto& [id, layer] : layers_) {
    if (!layer.damage.empty()) out.push_back(id);
  }
  return out;
}

std::vector<LayerId> LayerGraph::removable(const std::set<LayerId>& busy) const {
  std::vector<LayerId> out;
  for (const LayerId& id : unreferenced_) {
    if (at(id).children.empty() && !busy.contains(id)) out.push_back(id);
  }
  return out;
}

bool LayerGraph::can_go(const LayerId& id, const std::set<LayerId>& busy) const {
  const Layer& layer = at(id);
  return layer.references == 0 && layer.children.size() == 1 && !busy.contains(id);
}

std::vector<Merge> LayerGraph::merges(const std::set<LayerId>& busy) const {
  std::set<LayerId> targets;
  std::vector<Merge> out;
  for (const LayerId& id : unreferenced_) {
    if (!can_go(id, busy)) continue;
    // Up to the first that stays, down to the last that goes.
    LayerId target = *at(id).children.begin();
    while (can_go(target, busy)) target = *at(target).children.begin();
    if (busy.contains(target) || damage(target) || !targets.insert(target).second) continue;
    std::optional<LayerId> base = at(target).parent;
    while (base && can_go(*base, busy)) base = at(*base).parent;
    out.push_back({target, base});
  }
  return out;
}

std::vector<LayerId> LayerGraph::dropped_by(const Merge& merge, const std::set<LayerId>& busy) const {
  std::vector<LayerId> out;
  if (!contains(merge.target) || busy.contains(merge.target) || damage(merge.target)) return out;
  std::optional<LayerId> next = at(merge.target).parent;
  for (; next && next != merge.base; next = at(*next).parent) {
    if (!can_go(*next, busy)) return {};
    out.push_back(*next);
  }
  if (next != merge.base) return {};
  return out;
}

void LayerGraph::reparent(const Merge& merge) {
  Layer& target = at(merge.target);
  if (target.parent) at(*target.parent).children.erase(merge.target);
  target.parent = merge.base;
  if (merge.base) at(*merge.base).children.insert(merge.target);
}

void LayerGraph::remove(const LayerId& id) {
  Layer& layer = at(id);
  VARVE_CHECK(layer.references == 0 && layer.children.empty(), "a layer in use was removed");
  if (layer.parent) at(*layer.parent).children.erase(id);
  layers_.erase(id);
  unreferenced_.erase(id);
}

LayerGraph::Layer& LayerGraph::at(const LayerId& id) {
  auto found = layers_.find(id);
  VARVE_CHECK(found != layers_.end(), "an unknown layer: " + id.str());
  return found->second;
}

const LayerGraph::Layer& LayerGraph::at(const LayerId& id) const {
  auto found = layers_.find(id);
  VARVE_CHECK(found != layers_.end(), "an unknown layer: " + id.str());
  return found->second;
}

}  // namespace varve::qcow2
