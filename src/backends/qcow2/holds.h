// What keeps others away from a volume or a layer for the length of a scope; inside of the backend only.
#pragma once

#include "backends/qcow2/qcow2_backend.h"

namespace varve::qcow2 {

class Qcow2Backend::Hold {
 public:
  Hold(Qcow2Backend& backend, const VolumeId& volume) : backend_(backend), lock_(backend.volume_locks_, volume.str()) {
    // A switch that failed half-way may have moved the guest's writes to the overlay already.
    if (backend_.has_intent(volume)) backend_.finish_intent(volume);
    std::unique_lock graph(backend_.graph_mutex_);
    auto found = backend_.manifests_.find(volume);
    if (found == backend_.manifests_.end()) return;
    layers_ = backend_.layers_of(found->second);
    for (const LayerId& layer : layers_) backend_.held_.insert(layer);
    graph.unlock();
    backend_.cancel_merges(layers_);
  }
  ~Hold() {
    {
      std::lock_guard graph(backend_.graph_mutex_);
      for (const LayerId& layer : layers_) backend_.held_.erase(backend_.held_.find(layer));
    }
    backend_.notify_work();
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  Qcow2Backend& backend_;
  KeyedMutex::Lock lock_;
  std::set<LayerId> layers_;
};

class Qcow2Backend::Pin {
 public:
  Pin(Qcow2Backend& backend, LayerId layer) : backend_(backend), layer_(std::move(layer)) {
    std::lock_guard graph(backend_.graph_mutex_);
    backend_.graph_.refer(layer_);
  }
  // A layer whose file has just been made.
  Pin(Qcow2Backend& backend, LayerId layer, const std::optional<LayerId>& parent)
      : backend_(backend), layer_(std::move(layer)) {
    std::lock_guard graph(backend_.graph_mutex_);
    if (!backend_.graph_.contains(layer_)) backend_.graph_.add(layer_, parent);
    backend_.graph_.refer(layer_);
  }
  ~Pin() {
    {
      std::lock_guard graph(backend_.graph_mutex_);
      backend_.graph_.release(layer_);
    }
    backend_.notify_work();
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

 private:
  Qcow2Backend& backend_;
  LayerId layer_;
};

}  // namespace varve::qcow2
