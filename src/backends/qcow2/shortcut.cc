#include "backends/qcow2/shortcut.h"

#include <algorithm>

namespace varve::qcow2 {

namespace {

// A layer is copied together with at least half as many bytes of others (those of the target count).
constexpr std::uint64_t kLargestShare = 2;

// How many layers right below chain[target] are in its run; there must be one below the run.
std::size_t run_below(const std::vector<ChainLayer>& chain, std::size_t target, std::uint64_t most_bytes) {
  std::size_t run = 0;
  std::uint64_t bytes = 0;
  std::uint64_t largest = 0;
  for (std::size_t i = target + 1; i + 1 < chain.size() && !chain[i].stays; ++i) {
    if (chain[i].size < chain[target].size) break;
    bytes += chain[i].bytes;
    largest = std::max(largest, chain[i].bytes);
    if (bytes > most_bytes) break;
    if (largest <= kLargestShare * (bytes - largest + chain[target].bytes)) run = i - target;
  }
  return run;
}

}  // namespace

std::optional<Merge> find_shortcut(const std::vector<ChainLayer>& chain, std::size_t long_chain,
                                   std::uint64_t most_bytes) {
  std::optional<Merge> best;
  if (chain.size() <= long_chain) return best;
  std::size_t spared = 0;
  for (std::size_t target = 1; target + 1 < chain.size(); ++target) {
    if (chain[target].fixed) continue;
    std::size_t run = run_below(chain, target, most_bytes);
    if (run <= spared) continue;
    spared = run;
    best = Merge{chain[target].id, chain[target + run + 1].id};
  }
  return best;
}

}  // namespace varve::qcow2
