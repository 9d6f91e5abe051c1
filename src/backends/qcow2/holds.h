// What keeps others away from a volume or a layer for the length of a scope; inside of the backend only.
#pragma once

#include "backends/qcow2/qcow2_backend.h"
#include "base/error.h"
#include "base/log.h"

namespace varve::qcow2 {

[[noreturn]] inline void missing(std::string_view kind, std::string_view id) {
  throw Error(ErrorCode::BackendFailed, "the " + std::string(kind) + " " + std::string(id) + " has no image");
}

class Qcow2Backend::Hold {
 public:
  // AsItIs: for its deletion, which what an interrupted operation left must not hinder.
  enum class State : std::uint8_t { Settled, AsItIs };
  // Which merges are in the way: any in its chains, those into its active layer, none.
  enum class Merges : std::uint8_t { Stop, StopIntoActive, Leave };

  Hold(Qcow2Backend& backend, const VolumeId& volume, Merges merges = Merges::Stop, State state = State::Settled)
      : backend_(backend), lock_(backend.volume_locks_, volume.str()) {
    if (state == State::Settled) backend_.settle_doubts(volume);
    hold_layers(volume, merges);
    backend_.stop_merges(layers_);
  }
  ~Hold() { backend_.let_go_of(layers_); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  void hold_layers(const VolumeId& volume, Merges merges) {
    MutexLock graph(backend_.graph_mutex_);
    auto found = backend_.manifests_.find(volume);
    if (found == backend_.manifests_.end()) return;
    if (merges == Merges::Stop) layers_ = backend_.layers_of(found->second);
    if (merges == Merges::StopIntoActive) layers_ = {found->second.active};
    backend_.hold_layers(layers_);
  }

  Qcow2Backend& backend_;
  KeyedMutex::Lock lock_;
  std::set<LayerId> layers_;
};

class Qcow2Backend::Pin {
 public:
  Pin(Qcow2Backend& backend, LayerId layer) : backend_(backend), layer_(std::move(layer)) { refer(); }
  ~Pin() {
    release();
    backend_.notify_work();
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

 private:
  void refer() {
    MutexLock graph(backend_.graph_mutex_);
    backend_.graph_.refer(layer_);
  }
  void release() {
    MutexLock graph(backend_.graph_mutex_);
    backend_.graph_.release(layer_);
  }

  Qcow2Backend& backend_;
  LayerId layer_;
};

// A layer that is being made: its file has a draft's name until it is settled, and goes with the draft when it never
// was. Nobody writes to an unsettled one, so nothing is lost with it.
class Qcow2Backend::Draft {
 public:
  Draft(Qcow2Backend& backend, LayerId layer, std::int64_t size_gib, const std::optional<LayerId>& parent,
        const KeyId& key)
      : backend_(backend), layer_(std::move(layer)) {
    backend_.images_.create(backend_.pool()->qmp(), layer_, size_gib, parent, key);
    register_with(parent);
  }
  // Bytes that are there already, with a draft's name.
  Draft(Qcow2Backend& backend, LayerId layer) : backend_(backend), layer_(std::move(layer)) {
    register_with(std::nullopt);
  }
  ~Draft() {
    unregister();
    if (state_ == State::Made) discard();
    backend_.notify_work();
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  const LayerId& id() const { return layer_; }

  void settle() {
    backend_.images_.settle(layer_);
    state_ = State::Settled;
  }
  // Whether a manifest names it is not known: the next start will tell.
  void leave() { state_ = State::Left; }

 private:
  enum class State : std::uint8_t { Made, Settled, Left };

  void register_with(const std::optional<LayerId>& parent) {
    MutexLock graph(backend_.graph_mutex_);
    backend_.graph_.add(layer_, parent);
    backend_.graph_.refer(layer_);
  }
  void unregister() {
    MutexLock graph(backend_.graph_mutex_);
    backend_.graph_.release(layer_);
    if (state_ == State::Made) backend_.graph_.remove(layer_);
  }
  void discard() {
    try {
      backend_.images_.discard_draft(layer_);
    } catch (const Error& fault) {
      log::warning("a draft was left and will go at the next start", {{"layer", layer_}, {"error", fault.message()}});
    }
  }

  Qcow2Backend& backend_;
  LayerId layer_;
  State state_ = State::Made;
};

}  // namespace varve::qcow2
