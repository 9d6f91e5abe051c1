#include "backends/qcow2/shortcut.h"

namespace varve::qcow2 {

namespace {

// How many layers right below chain[target] may be in its run; there must be one below the run.
std::size_t run_below(const std::vector<ChainLayer>& chain, std::size_t target, std::uint64_t most_bytes) {
  std::uint64_t bytes = 0;
  std::size_t end = target + 1;
  for (; end + 1 < chain.size() && !chain[end].stays; ++end) {
    bytes += chain[end].bytes;
    if (bytes > most_bytes) break;
  }
  return end - target - 1;
}

}  // namespace

std::optional<Merge> find_shortcut(const std::vector<ChainLayer>& chain, std::size_t long_chain,
                                   std::uint64_t most_bytes) {
  std::optional<Merge> best;
  if (chain.size() <= long_chain) return best;
  std::size_t spared = (long_chain + 1) / 2 - 1;
  for (std::size_t target = 1; target + 1 < chain.size(); ++target) {
    std::size_t run = run_below(chain, target, most_bytes);
    if (run <= spared) continue;
    spared = run;
    best = Merge{chain[target].id, chain[target + run + 1].id};
  }
  return best;
}

}  // namespace varve::qcow2
