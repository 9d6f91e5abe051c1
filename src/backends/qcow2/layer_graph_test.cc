#include "backends/qcow2/layer_graph.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace varve::qcow2 {
namespace {

LayerId id(const std::string& text) {
  return LayerId(text);
}

TEST(LayerGraph, ListsAChainFromTheTop) {
  LayerGraph graph;
  graph.add(id("a"), std::nullopt);
  graph.add(id("b"), id("a"));
  graph.add(id("c"), id("b"));
  EXPECT_EQ(graph.chain(id("c")), (std::vector{id("c"), id("b"), id("a")}));
}

TEST(LayerGraph, RemovesOnlyAnUnreferencedLeaf) {
  LayerGraph graph;
  graph.add(id("a"), std::nullopt);
  graph.add(id("b"), id("a"));
  graph.refer(id("b"));
  EXPECT_TRUE(graph.removable({}).empty());
  graph.release(id("b"));
  EXPECT_EQ(graph.removable({}), std::vector{id("b")});
  EXPECT_TRUE(graph.removable({id("b")}).empty());
}

TEST(LayerGraph, MergesALayerWithOneChildAndKeepsOneWithTwo) {
  LayerGraph graph;
  graph.add(id("a"), std::nullopt);
  graph.add(id("b"), id("a"));
  graph.add(id("c"), id("a"));
  EXPECT_TRUE(graph.merges({}).empty());
  graph.remove(id("c"));
  auto merges = graph.merges({});
  ASSERT_EQ(merges.size(), 1U);
  EXPECT_EQ(merges.front().target, id("b"));
  EXPECT_EQ(merges.front().base, std::nullopt);
  graph.reparent(merges.front());
  EXPECT_EQ(graph.removable({id("b")}), std::vector{id("a")});
}

TEST(LayerGraph, MergesNothingInADamagedChain) {
  LayerGraph graph;
  graph.add(id("a"), std::nullopt, "unreadable");
  graph.add(id("b"), id("a"));
  graph.add(id("c"), id("b"));
  graph.refer(id("c"));
  EXPECT_EQ(graph.damage(id("c"))->layer, id("a"));
  EXPECT_TRUE(graph.merges({}).empty());
  graph.mend(id("a"), std::nullopt);
  EXPECT_FALSE(graph.damage(id("c")));
  EXPECT_EQ(graph.merges({}).size(), 1U);
}

TEST(LayerGraph, MergesARunOfLayersAsOnePiece) {
  LayerGraph graph;
  graph.add(id("a"), std::nullopt);
  graph.add(id("b"), id("a"));
  graph.add(id("c"), id("b"));
  graph.add(id("d"), id("c"));
  graph.refer(id("a"));
  graph.refer(id("d"));
  auto merges = graph.merges({});
  ASSERT_EQ(merges.size(), 1U);
  EXPECT_EQ(merges.front(), (Merge{id("d"), id("a")}));
  EXPECT_EQ(graph.dropped_by(merges.front(), {}), (std::vector{id("c"), id("b")}));
  // A busy layer ends the run.
  EXPECT_EQ(graph.merges({id("b")}), (std::vector{Merge{id("d"), id("b")}}));
  graph.refer(id("c"));
  EXPECT_TRUE(graph.dropped_by(merges.front(), {}).empty());
  graph.release(id("c"));
  graph.reparent(merges.front());
  EXPECT_EQ(graph.removable({}), std::vector{id("c")});
}

// Whatever is dropped in whatever order, maintenance ends with exactly the referenced layers and those with two
// children.
RC_GTEST_PROP(LayerGraph, MaintenanceKeepsWhatIsNeededOnly, ()) {
  LayerGraph graph;
  const int count = *rc::gen::inRange(1, 30);
  std::vector<LayerId> ids;
  std::set<LayerId> referenced;
  for (int i = 0; i < count; ++i) {
    std::optional<LayerId> parent;
    if (i > 0 && *rc::gen::inRange(0, 5) > 0) parent = ids[static_cast<std::size_t>(*rc::gen::inRange(0, i))];
    ids.push_back(id("l" + std::to_string(i)));
    graph.add(ids.back(), parent);
    if (*rc::gen::inRange(0, 2) == 0) {
      graph.refer(ids.back());
      referenced.insert(ids.back());
    }
  }
  for (bool more = true; more;) {
    more = false;
    if (auto leaves = graph.removable({}); !leaves.empty()) {
      graph.remove(leaves.front());
      more = true;
    } else if (auto merges = graph.merges({}); !merges.empty()) {
      graph.reparent(merges.front());
      more = true;
    }
  }
  for (const LayerId& layer : graph.all()) RC_ASSERT(referenced.contains(layer) || graph.children(layer) >= 2);
  for (const LayerId& layer : referenced) RC_ASSERT(graph.contains(layer));
}

}  // namespace
}  // namespace varve::qcow2
