// The n-th failure loop. Every call to the system and to QEMU that an operation of the backend makes fails once, for
// n = 1, 2, 3 ...; then the operation is repeated and the backend started again from its files, in either order, and
// nothing may be lost, left or stuck. A new operation is a new entry of the table; `NthFailure.*/name` runs it alone.
// VARVE_NTH_FAILURE=all: every failure in both orders (many minutes); else only some of
// the calls of which there are many.

#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/fault.h"
#include "nth_failure_rig.h"

namespace varve {
namespace {

using fault::Kind;

// What a client does that has the volume v open: it has written block 6 before the operation, and writes block 7 after
// the failure.
enum class Client : std::uint8_t {
  None,
  Stays,   // it is served throughout, and notices nothing
  Pauses,  // its export is taken away meanwhile
};

struct Scenario {
  std::string name;
  Client client = Client::None;
  std::function<void(NthRig&)> setup;
  std::function<void(NthRig&)> operation;
  std::function<std::vector<Expected>(NthRig&)> expected;  // once it is done
};

struct Failure {
  Kind kind;
  int error;
  int stride = 1;  // of these only every so manieth, unless all are wanted
};

constexpr Failure kFailures[] = {
    {Kind::Create, EMFILE},     {Kind::Open, EMFILE, 3}, {Kind::Write, ENOSPC, 3}, {Kind::Fsync, EIO},
    {Kind::Rename, EIO},        {Kind::Unlink, EIO},     {Kind::Spawn, EAGAIN},    {Kind::Connect, ECONNREFUSED},
    {Kind::Refusal, EINVAL, 5}, {Kind::Silence, EIO, 5},
};

enum class Order : std::uint8_t { RepeatFirst, RestartFirst };

// A volume with a byte in block 0.
void one_volume(NthRig& rig) {
  rig.backend().create_volume(rig.v, 1, {});
  rig.write(rig.v, "1");
}

// s: "1", t: "12", the volume: "123".
void two_snapshots(NthRig& rig) {
  one_volume(rig);
  rig.backend().create_snapshot(rig.v, rig.s);
  rig.write(rig.v, "2", 1);
  rig.backend().create_snapshot(rig.v, rig.t);
  rig.write(rig.v, "3", 2);
}

void encrypted_volume(NthRig& rig) {
  rig.backend().create_volume(rig.v, 1, {"", rig.key});
  rig.write(rig.v, "1");
}

// w stands on the snapshot s of v.
void a_clone(NthRig& rig) {
  one_volume(rig);
  rig.backend().create_snapshot(rig.v, rig.s);
  rig.backend().clone_snapshot(rig.w, 1, rig.v, rig.s, "");
  rig.write(rig.w, "9", 1);
}

void an_image_file(NthRig& rig) {
  qemu::run_process({"qemu-img", "create", "-q", "-f", "qcow2", (rig.directory() / "manageable/disk").string(), "700M"},
                    rig.directory() / "io.log");
  std::filesystem::remove(rig.directory() / "io.log");
}

void snapshot_s(NthRig& rig) {
  rig.backend().create_snapshot(rig.v, rig.s);
}

void maintenance(NthRig& rig) {
  rig.settle();
}

std::vector<Scenario> scenarios() {
  using Rig = NthRig;
  std::vector<Scenario> all;
  auto add = [&](Scenario scenario) { all.push_back(std::move(scenario)); };

  add({.name = "Create",
       .setup = [](Rig&) {},
       .operation = [](Rig& rig) { rig.backend().create_volume(rig.v, 2, {}); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "0", 2}}; }});
  add({.name = "CreateInAnotherPool",
       .setup = [](Rig&) {},
       .operation = [](Rig& rig) { rig.backend().create_volume(rig.v, 1, {kSecondPool, {}}); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "0"}}; }});
  add({.name = "CreateEncrypted",
       .setup = [](Rig&) {},
       .operation = [](Rig& rig) { rig.backend().create_volume(rig.v, 1, {"", rig.key}); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, ""}}; }});
  add({.name = "Snapshot",
       .setup = one_volume,
       .operation = snapshot_s,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "1"}, {rig.v, rig.s, "1"}}; }});
  add({.name = "SnapshotOpen",
       .client = Client::Stays,
       .setup = one_volume,
       .operation = snapshot_s,
       .expected = [](Rig& rig) -> std::vector<Expected> {
         return {{rig.v, {}, "10000067"}, {rig.v, rig.s, "1000006?"}};
       }});
  add({.name = "SnapshotEncrypted",
       .setup = encrypted_volume,
       .operation = snapshot_s,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "1"}, {rig.v, rig.s, "1"}}; }});
  add({.name = "SnapshotEncryptedOpen",
       .client = Client::Stays,
       .setup = encrypted_volume,
       .operation = snapshot_s,
       .expected = [](Rig& rig) -> std::vector<Expected> {
         return {{rig.v, {}, "1?????67"}, {rig.v, rig.s, "1?????6?"}};
       }});
  add({.name = "CloneSnapshot",
       .setup = two_snapshots,
       .operation = [](Rig& rig) { rig.backend().clone_snapshot(rig.w, 2, rig.v, rig.s, ""); },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         return {{rig.w, {}, "100", 2}, {rig.v, {}, "123"}, {rig.v, rig.s, "100"}};
       }});
  add({.name = "CloneToAnotherPool",
       .setup = two_snapshots,
       .operation = [](Rig& rig) { rig.backend().clone_snapshot(rig.w, 1, rig.v, rig.s, kSecondPool); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.w, {}, "100"}, {rig.v, {}, "123"}}; }});
  add({.name = "CloneVolume",
       .setup = one_volume,
       .operation = [](Rig& rig) { rig.backend().clone_volume(rig.w, 1, rig.v, ""); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.w, {}, "1"}, {rig.v, {}, "1"}}; }});
  add({.name = "CloneVolumeOpen",
       .client = Client::Stays,
       .setup = one_volume,
       .operation = [](Rig& rig) { rig.backend().clone_volume(rig.w, 1, rig.v, ""); },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         return {{rig.w, {}, "1000006?"}, {rig.v, {}, "10000067"}};
       }});
  add({.name = "CloneEncrypted",
       .setup = encrypted_volume,
       .operation = [](Rig& rig) { rig.backend().clone_volume(rig.w, 1, rig.v, ""); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.w, {}, "1"}, {rig.v, {}, "1"}}; }});
  add({.name = "Extend",
       .setup = two_snapshots,
       .operation = [](Rig& rig) { rig.backend().extend_volume(rig.v, 2); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "123", 2}, {rig.v, rig.t, "12"}}; }});
  add({.name = "ExtendOpen",
       .client = Client::Pauses,
       .setup = one_volume,
       .operation =
           [](Rig& rig) {
             rig.remove_export();
             rig.backend().extend_volume(rig.v, 2);
           },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "10000067", 2}}; }});
  add({.name = "ExtendEncrypted",
       .setup = encrypted_volume,
       .operation = [](Rig& rig) { rig.backend().extend_volume(rig.v, 2); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "1", 2}}; }});
  add({.name = "Rollback",
       .setup = two_snapshots,
       .operation = [](Rig& rig) { rig.backend().rollback(rig.v, rig.s); },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         return {{rig.v, {}, "100"}, {rig.v, rig.s, "100"}, {rig.v, rig.t, "120"}};
       }});
  add({.name = "DeleteSnapshot",
       .setup = two_snapshots,
       .operation =
           [](Rig& rig) {
             rig.backend().delete_snapshot(rig.v, rig.s);
             EXPECT_FALSE(rig.has_snapshot(rig.v, rig.s));
           },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "123"}, {rig.v, rig.t, "120"}}; }});
  add({.name = "DeleteVolume",
       .setup = a_clone,
       .operation =
           [](Rig& rig) {
             rig.backend().delete_volume(rig.v, {rig.s});
             rig.settle();
           },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         EXPECT_FALSE(rig.backend().has_volume(rig.v));
         return {{rig.w, {}, "19"}};
       }});
  add({.name = "DeleteOpenVolume",
       .client = Client::Pauses,
       .setup = a_clone,
       .operation =
           [](Rig& rig) {
             if (rig.backend().has_volume(rig.v)) rig.backend().close({rig.v});
             rig.backend().delete_volume(rig.v, {rig.s});
             rig.detach();
             rig.settle();
           },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.w, {}, "19"}}; }});
  add({.name = "OpenAndClose",
       .setup = two_snapshots,
       .operation =
           [](Rig& rig) {
             rig.attach(rig.v);
             rig.client_writes(3, '4');
             rig.backend().set_qos(rig.v, {});
             rig.backend().close({rig.v});
             rig.detach();
           },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "1234"}, {rig.v, rig.t, "120"}}; }});
  add({.name = "OpenAndCloseEncrypted",
       .setup = encrypted_volume,
       .operation =
           [](Rig& rig) {
             rig.attach(rig.v);
             rig.client_writes(3, '4');
             rig.backend().close({rig.v});
             rig.detach();
           },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "1??4"}}; }});
  add({.name = "CloseAfterWrites",
       .client = Client::Pauses,
       .setup = one_volume,
       .operation = [](Rig& rig) { rig.backend().close({rig.v}); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "10000067"}}; }});
  add({.name = "OpenAndCloseSnapshot",
       .setup = two_snapshots,
       .operation =
           [](Rig& rig) {
             rig.backend().open({rig.v, rig.t}, {});
             rig.backend().close({rig.v, rig.t});
           },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "123"}, {rig.v, rig.t, "120"}}; }});
  add({.name = "Migrate",
       .setup = one_volume,
       .operation = [](Rig& rig) { rig.backend().migrate(rig.v, kSecondPool); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "1"}}; }});
  add({.name = "MigrateOpen",
       .client = Client::Stays,
       .setup = one_volume,
       .operation = [](Rig& rig) { rig.backend().migrate(rig.v, kSecondPool); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "10000067"}}; }});
  add({.name = "AdoptFile",
       .setup = an_image_file,
       .operation = [](Rig& rig) { rig.backend().adopt_volume(rig.v, "disk"); },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         EXPECT_FALSE(std::filesystem::exists(rig.directory() / "manageable/disk"));
         return {{rig.v, {}, "0"}};
       }});
  add({.name = "AdoptVolume",
       .setup = two_snapshots,
       .operation = [](Rig& rig) { rig.backend().adopt_volume(rig.w, "volume-" + rig.v.str()); },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         EXPECT_FALSE(rig.backend().has_volume(rig.v));
         return {{rig.w, {}, "123"}, {rig.w, rig.s, "1"}};
       }});
  add({.name = "AdoptSnapshot",
       .setup = two_snapshots,
       .operation = [](Rig& rig) { rig.backend().rename_snapshot(rig.v, rig.s, rig.u); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "123"}, {rig.v, rig.u, "1"}}; }});
  add({.name = "CopyVolume",
       .setup = two_snapshots,
       .operation =
           [](Rig& rig) {
             rig.backend().copy_volume(rig.v, rig.directory() / "copy", [] {});
             std::filesystem::remove_all(rig.directory() / "copy");
           },
       .expected = [](Rig& rig) -> std::vector<Expected> {
         std::filesystem::remove_all(rig.directory() / "copy");
         return {{rig.v, {}, "123"}, {rig.v, rig.t, "120"}};
       }});

  // Two snapshots in the middle are gone; one stays below.
  auto to_merge = [](Rig& rig) {
    two_snapshots(rig);
    rig.backend().create_snapshot(rig.v, rig.u);
    rig.write(rig.v, "4", 3);
    rig.backend().delete_snapshot(rig.v, rig.t);
    rig.backend().delete_snapshot(rig.v, rig.u);
  };
  add({.name = "Merge", .setup = to_merge, .operation = maintenance, .expected = [](Rig& rig) -> std::vector<Expected> {
         return {{rig.v, {}, "1234"}, {rig.v, rig.s, "1"}};
       }});
  add({.name = "MergeOpen",
       .client = Client::Stays,
       .setup = to_merge,
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "12340067"}, {rig.v, rig.s, "1"}}; }});
  add({.name = "MergeDown",
       .setup =
           [](Rig& rig) {
             two_snapshots(rig);
             rig.backend().delete_snapshot(rig.v, rig.s);
           },
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "123"}, {rig.v, rig.t, "120"}}; }});
  add({.name = "MergeEncryptedOpen",
       .client = Client::Stays,
       .setup =
           [](Rig& rig) {
             encrypted_volume(rig);
             rig.backend().create_snapshot(rig.v, rig.s);
             rig.write(rig.v, "2", 1);
             rig.backend().delete_snapshot(rig.v, rig.s);
           },
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "12????67"}}; }});
  add({.name = "Independence",
       .setup = a_clone,
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> {
         EXPECT_EQ(rig.backend().independence_percent(rig.w), 100);
         return {{rig.w, {}, "19"}, {rig.v, {}, "1"}, {rig.v, rig.s, "1"}};
       }});
  // The clone's root is swallowed by a merge above it, then the clone is made independent.
  add({.name = "IndependenceWithSnapshots",
       .setup =
           [](Rig& rig) {
             a_clone(rig);
             rig.backend().create_snapshot(rig.w, rig.t);
             rig.write(rig.w, "8", 2);
             rig.backend().delete_snapshot(rig.w, rig.t);
             rig.backend().delete_snapshot(rig.v, rig.s);
           },
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.w, {}, "198"}, {rig.v, {}, "1"}}; }});
  add({.name = "IndependenceOpen",
       .client = Client::Stays,
       .setup =
           [](Rig& rig) {
             one_volume(rig);
             rig.backend().clone_volume(rig.w, 1, rig.v, "");
             rig.backend().adopt_volume(VolumeId(rig.t.str()), "volume-" + rig.v.str());
             rig.backend().adopt_volume(rig.v, "volume-" + rig.w.str());
           },
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> {
         EXPECT_EQ(rig.backend().independence_percent(rig.v), 100);
         return {{rig.v, {}, "10000067"}, {VolumeId(rig.t.str()), {}, "1"}};
       }});
  add({.name = "MigrationsEnd",
       .setup =
           [](Rig& rig) {
             one_volume(rig);
             rig.backend().migrate(rig.v, kSecondPool);
             rig.write(rig.v, "2", 1);
           },
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> {
         EXPECT_TRUE(std::filesystem::is_empty(rig.directory() / "layers"));
         return {{rig.v, {}, "12"}};
       }});
  add({.name = "Remove",
       .setup =
           [](Rig& rig) {
             two_snapshots(rig);
             rig.backend().rollback(rig.v, rig.s);
             rig.backend().delete_snapshot(rig.v, rig.t);
           },
       .operation = maintenance,
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "100"}, {rig.v, rig.s, "100"}}; }});

  // A store with something of all that an interrupted varved may leave.
  auto disorder = [](Rig& rig) {
    a_clone(rig);
    rig.backend().create_volume(VolumeId(rig.u.str()), 1, {});
    rig.backend().delete_volume(VolumeId(rig.u.str()), {});
    rig.attach(rig.w);
    failpoint::arm("snapshot.create.after_switch", "error");
    EXPECT_THROW(rig.backend().create_snapshot(rig.w, rig.t), Error);
    rig.client_writes(2, '8', true);  // the storage daemons are killed then
    rig.detach();
    rig.leave("layers/77777777-7777-4777-8777-777777777777.qcow2.new", "");
    rig.leave("second/layers/88888888-8888-4888-8888-888888888888.qcow2.new", "half");
    rig.leave("volumes/" + rig.v.str() + ".json.new", "{");
  };
  auto in_order = [](Rig& rig) -> std::vector<Expected> {
    return {{rig.v, {}, "1"}, {rig.w, {}, "198"}, {rig.w, rig.t, "190"}};
  };
  add({.name = "Start", .setup = disorder, .operation = [](Rig& rig) { rig.restart(); }, .expected = in_order});
  add({.name = "StartOpen",
       .client = Client::Stays,
       .setup = to_merge,
       .operation = [](Rig& rig) { rig.restart(); },
       .expected = [](Rig& rig) -> std::vector<Expected> { return {{rig.v, {}, "12340067"}, {rig.v, rig.s, "1"}}; }});
  return all;
}

class NthFailure : public testing::TestWithParam<Scenario> {
 protected:
  void begin() {
    rig_.begin();
    if (GetParam().client == Client::None) return;
    rig_.attach(rig_.v);
    rig_.client_writes(6, '6');
  }

  // false: it threw.
  bool operate() {
    try {
      GetParam().operation(rig_);
      return true;
    } catch (const Error& refusal) {
      said_ = refusal.message();
      return false;
    }
  }

  void restart() {
    rig_.restart();
    rig_.expect_clean();
  }

  void fail_once(const Failure& failure, int n, Order order) {
    SCOPED_TRACE(GetParam().name + ": " + std::string(fault::kKinds[static_cast<std::size_t>(failure.kind)]) + " " +
                 std::to_string(n) + (order == Order::RepeatFirst ? ", repeated" : ", restarted"));
    begin();
    fault::arm(failure.kind, n, failure.error);
    operate();
    fault::disarm();
    if (GetParam().client == Client::Stays) rig_.client_writes(7, '7');
    if (order == Order::RestartFirst) restart();
    EXPECT_TRUE(operate()) << said_;
    if (order == Order::RepeatFirst) restart();
    look();
    ++failures_;
  }

  void look() {
    if (rig_.attached() && GetParam().client == Client::Pauses) {
      rig_.attach(rig_.v);
      rig_.client_writes(7, '7');
    }
    rig_.settle();
    rig_.expect_settled();
    if (rig_.attached()) {
      rig_.backend().close({rig_.v});
      rig_.detach();
      rig_.settle();
      rig_.expect_settled();
    }
    for (const Expected& expected : GetParam().expected(rig_)) rig_.expect_bytes(expected);
  }

  // How many calls of each kind the operation makes when none fails.
  std::map<Kind, int> count() {
    begin();
    for (const Failure& failure : kFailures) fault::arm(failure.kind, std::numeric_limits<int>::max());
    EXPECT_TRUE(operate()) << said_;
    std::map<Kind, int> calls;
    for (const Failure& failure : kFailures) calls[failure.kind] = fault::calls(failure.kind);
    fault::disarm();
    if (GetParam().client == Client::Stays) rig_.client_writes(7, '7');
    look();
    return calls;
  }

  NthRig rig_;
  std::string said_;
  int failures_ = 0;
};

INSTANTIATE_TEST_SUITE_P(All, NthFailure, testing::ValuesIn(scenarios()),
                         [](const auto& info) { return info.param.name; });

TEST_P(NthFailure, IsHealed) {
  const char* wanted = std::getenv("VARVE_NTH_FAILURE");
  bool all = wanted != nullptr && std::string_view(wanted) == "all";
  // QEMU takes seconds to format a template, which each of its tries begins with.
  if (!all && GetParam().name == "CreateEncrypted") GTEST_SKIP() << "only with VARVE_NTH_FAILURE=all";
  GetParam().setup(rig_);
  rig_.keep();
  std::map<Kind, int> calls = count();
  // Another part of the calls in every scenario.
  int phase = static_cast<int>(GetParam().name.size());
  for (const Failure& failure : kFailures) {
    for (int n = 1; n <= calls[failure.kind]; ++n) {
      int stride = 2 * failure.stride;
      if (!all && (n + phase) % stride != 0) continue;
      bool repeat_first = (n + phase) / stride % 2 == 1;
      if (all || repeat_first) fail_once(failure, n, Order::RepeatFirst);
      if (all || !repeat_first) fail_once(failure, n, Order::RestartFirst);
    }
  }
  RecordProperty("failures", failures_);
  std::printf("%s: %d failures\n", GetParam().name.c_str(), failures_);
}

}  // namespace
}  // namespace varve
