#include "store/database.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdlib>
#include <future>

#include "base/error.h"
#include "base/rng.h"
#include "store/identity_tables.h"
#include "store/mapping.h"
#include "store/migrations.h"
#include "store/plain_rows.h"

namespace varve::store {
namespace {

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() {
    char pattern[] = "/tmp/varve-store-XXXXXX";
    directory_ = mkdtemp(pattern);
    db_ = open_sqlite(directory_ / "varve.db", 1000);
    db_->write_blocking([](Transaction& tx) { tx.volume_types().insert(ssd()); });
  }
  ~DatabaseTest() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  static model::VolumeType ssd() {
    model::VolumeType type;
    type.id = VolumeTypeId("type-ssd");
    type.name = "SSD";
    return type;
  }

  static model::Volume volume(const std::string& id, const std::string& project = "p1") {
    model::Volume out;
    out.id = VolumeId(id);
    out.project_id = ProjectId(project);
    out.size_gib = 1;
    out.volume_type_id = VolumeTypeId("type-ssd");
    return out;
  }

  static model::Snapshot snapshot(const std::string& id, std::int64_t created, std::optional<std::string> name) {
    model::Snapshot out;
    out.id = SnapshotId(id);
    out.project_id = ProjectId("p1");
    out.volume_id = VolumeId("v1");
    out.name = std::move(name);
    out.size_gib = 1;
    out.created_at = Timestamp(std::chrono::microseconds(created));
    return out;
  }

  void fill_snapshots() {
    db_->write_blocking([](Transaction& tx) {
      tx.volumes().insert(volume("v1"));
      tx.snapshots().insert(snapshot("s1", 10, "b"));
      tx.snapshots().insert(snapshot("s2", 20, "a"));
      tx.snapshots().insert(snapshot("s3", 20, std::nullopt));
      tx.snapshots().insert(snapshot("s4", 30, "b"));
    });
  }

  std::string ids(const model::PageQuery& query) {
    std::string out;
    db_->read_blocking([&](Transaction& tx) {
      for (const auto& row : tx.snapshots().list(query).rows) out += row.id.str() + " ";
    });
    return out;
  }

  std::filesystem::path directory_;
  std::unique_ptr<Database> db_;
};

TEST_F(DatabaseTest, KeepsEveryFieldOfARow) {
  model::Volume in = volume("v1");
  in.name = "n\"ame";
  in.status = model::VolumeStatus::InUse;
  in.metadata = {{"k", "v"}, {"quote\"", "x,y"}};
  in.created_at = Timestamp(std::chrono::microseconds(1700000000123456));
  in.read_only = true;
  std::optional<model::Volume> out;
  db_->write_blocking([&](Transaction& tx) { tx.volumes().insert(in); });
  db_->read_blocking([&](Transaction& tx) { out = tx.volumes().find(std::nullopt, VolumeId("v1")); });
  ASSERT_TRUE(out);
  EXPECT_EQ(out->name, in.name);
  EXPECT_EQ(out->description, std::nullopt);
  EXPECT_EQ(out->status, in.status);
  EXPECT_EQ(out->metadata, in.metadata);
  EXPECT_EQ(out->created_at, in.created_at);
  EXPECT_EQ(out->updated_at, std::nullopt);
  EXPECT_TRUE(out->read_only);
}

TEST_F(DatabaseTest, HidesAnotherProjectsRow) {
  db_->write_blocking([](Transaction& tx) { tx.volumes().insert(volume("v1", "p1")); });
  db_->read_blocking([](Transaction& tx) {
    EXPECT_TRUE(tx.volumes().find(ProjectId("p1"), VolumeId("v1")));
    EXPECT_FALSE(tx.volumes().find(ProjectId("p2"), VolumeId("v1")));
    EXPECT_THROW(tx.volumes().get(ProjectId("p2"), VolumeId("v1")), Error);
  });
}

TEST_F(DatabaseTest, UndoesTheWholeOfAWorkThatThrows) {
  auto broken = [](Transaction& tx) {
    tx.volumes().insert(volume("v1"));
    throw Error(ErrorCode::InvalidInput, "no");
  };
  EXPECT_THROW(db_->write_blocking(broken), Error);
  db_->read_blocking([](Transaction& tx) { EXPECT_FALSE(tx.volumes().find(std::nullopt, VolumeId("v1"))); });
}

TEST_F(DatabaseTest, OneBadWorkDoesNotUndoItsNeighbours) {
  boost::asio::io_context io;
  int good = 0;
  int bad = 0;
  for (int i = 0; i < 100; ++i) {
    auto work = [i](Transaction& tx) {
      tx.volumes().insert(volume("v" + std::to_string(i)));
      if (i % 10 == 0) throw Error(ErrorCode::InvalidInput, "no");
    };
    boost::asio::co_spawn(io, db_->write(work), [&](std::exception_ptr fault) { ++(fault ? bad : good); });
  }
  io.run();
  db_->settle();  // before io goes
  EXPECT_EQ(good, 90);
  EXPECT_EQ(bad, 10);
  db_->read_blocking([](Transaction& tx) { EXPECT_EQ(tx.volumes().usage(ProjectId("p1"), std::nullopt).count, 90); });
}

TEST_F(DatabaseTest, RefusesADoubleIdAsConflict) {
  auto insert = [](Transaction& tx) { tx.volumes().insert(volume("v1")); };
  db_->write_blocking(insert);
  try {
    db_->write_blocking(insert);
    FAIL();
  } catch (const Error& fault) {
    EXPECT_EQ(fault.code(), ErrorCode::Conflict);
  }
}

TEST_F(DatabaseTest, ListsNewestFirstAndPagesByMarker) {
  fill_snapshots();
  model::PageQuery query{.project_id = ProjectId("p1")};
  EXPECT_EQ(ids(query), "s4 s3 s2 s1 ");
  query.limit = 2;
  EXPECT_EQ(ids(query), "s4 s3 ");
  query.marker = "s3";
  EXPECT_EQ(ids(query), "s2 s1 ");
  query.offset = 1;
  EXPECT_EQ(ids(query), "s1 ");
}

TEST_F(DatabaseTest, PagesThroughMixedDirectionsAndNulls) {
  fill_snapshots();
  model::PageQuery query{.project_id = ProjectId("p1")};
  query.sort = {{"name", false}, {"created_at", true}};
  EXPECT_EQ(ids(query), "s3 s2 s4 s1 ");
  for (const auto& [marker, rest] : std::vector<std::pair<std::string, std::string>>{
           {"s3", "s2 s4 s1 "}, {"s2", "s4 s1 "}, {"s4", "s1 "}, {"s1", ""}}) {
    query.marker = marker;
    EXPECT_EQ(ids(query), rest);
  }
}

TEST_F(DatabaseTest, CountsAllMatchesBesideThePage) {
  fill_snapshots();
  model::PageQuery query{.project_id = ProjectId("p1"), .limit = 1, .with_count = true};
  query.filters.push_back({"name", model::Filter::Op::Equal, std::string("b")});
  db_->read_blocking([&](Transaction& tx) {
    auto page = tx.snapshots().list(query);
    EXPECT_EQ(page.rows.size(), 1U);
    EXPECT_EQ(page.count, 2);
  });
}

TEST_F(DatabaseTest, FindsAMetadataPairExactly) {
  db_->write_blocking([](Transaction& tx) {
    tx.volumes().insert(volume("v1"));
    auto put = [&](const std::string& id, model::Metadata metadata) {
      model::Snapshot row = snapshot(id, 1, std::nullopt);
      row.metadata = std::move(metadata);
      tx.snapshots().insert(row);
    };
    put("s1", {{"a", "0"}, {"k", "v"}});
    put("s2", {{"k", "v2"}});
    put("s3", {{"a,\"k", "v"}});  // the pair's text inside a key
    put("s4", {{"k", "v"}});
  });
  model::PageQuery query{.project_id = ProjectId("p1")};
  query.filters.push_back({"metadata", model::Filter::Op::HasPair, model::Pair{"k", "v"}});
  EXPECT_EQ(ids(query), "s4 s1 ");
  query.filters.back().value = model::Pair{"k", std::nullopt};
  EXPECT_EQ(ids(query), "s4 s2 s1 ");
  query.filters.back().value = model::Pair{"a,\"k", std::nullopt};
  EXPECT_EQ(ids(query), "s3 ");
}

TEST_F(DatabaseTest, TellsWhatACommitTouched) {
  Touched seen;
  Database::Subscription commits = db_->on_commit([&](const Touched& touched) {
    seen.volumes.insert(seen.volumes.end(), touched.volumes.begin(), touched.volumes.end());
    seen.catalogue |= touched.catalogue;
  });
  fill_snapshots();
  EXPECT_EQ(std::ranges::count(seen.volumes, VolumeId("v1")), 5);
  EXPECT_FALSE(seen.catalogue);
  seen.volumes.clear();
  db_->write_blocking([](Transaction& tx) { tx.snapshots().remove(SnapshotId("s1")); });
  EXPECT_EQ(seen.volumes, std::vector{VolumeId("v1")});
  seen.volumes.clear();
  db_->write_blocking([](Transaction& tx) { tx.quotas().set(ProjectId("p1"), "volumes", 3); });
  EXPECT_TRUE(seen.catalogue);
  EXPECT_TRUE(seen.volumes.empty());
  commits.reset();
  db_->write_blocking([](Transaction& tx) { tx.volumes().insert(volume("v2")); });
  EXPECT_TRUE(seen.volumes.empty());
}

model::Task task(const std::string& id) {
  model::Task out;
  out.id = TaskId(id);
  out.volume_id = VolumeId("v1");
  return out;
}

TEST_F(DatabaseTest, TellsOfTheTasksThatWereCommittedAndOfNoOthers) {
  std::string begun;
  Database::Subscription commits = db_->on_commit([&](const Touched& touched) {
    for (const model::Task& one : touched.begun) begun += one.id.str() + " ";
  });
  boost::asio::io_context io;
  auto ignore = [](const std::exception_ptr&) {};
  for (const char* id : {"t1", "t2", "t3"}) {
    auto begin = [=](Transaction& tx) {
      tx.tasks().insert(task(id));
      if (std::string(id) == "t2") throw Error(ErrorCode::InvalidInput, "no");
    };
    boost::asio::co_spawn(io, db_->write(begin), ignore);
  }
  // It breaks the commit of all three, which are then tried one by one.
  auto break_all = [](Transaction& tx) { tx.connection().script("ROLLBACK"); };
  boost::asio::co_spawn(io, db_->write(break_all), ignore);
  io.run();
  db_->settle();
  EXPECT_EQ(begun, "t1 t3 ");
  db_->read_blocking([](Transaction& tx) { EXPECT_EQ(tx.tasks().live().size(), 2U); });
}

TEST_F(DatabaseTest, ARowComesBackFromItsPlainForm) {
  fill_snapshots();
  boost::json::array rows;
  db_->write_blocking([&](Transaction& tx) {
    PlainTable table(tx.connection(), "snapshots");
    rows = table.select(tx.connection(), "WHERE id = :id", values(std::string("s3")));
    rows.front().as_object()["later"] = "a field of a later release";
    tx.snapshots().remove(SnapshotId("s3"));
    EXPECT_TRUE(table.insert(tx.connection(), rows.front().as_object()));
    EXPECT_FALSE(table.insert(tx.connection(), rows.front().as_object())) << "it is there";
    EXPECT_FALSE(table.insert(tx.connection(), {{"id", "s9"}})) << "a column must have a value";
  });
  db_->read_blocking([](Transaction& tx) {
    auto row = tx.snapshots().get(std::nullopt, SnapshotId("s3"));
    EXPECT_EQ(row.name, std::nullopt);
    EXPECT_EQ(row.size_gib, 1);
  });
}

// Migration 8: the first types never meant to make their volumes multiattach; one that an operator made does.
// The table of tasks as the version before had it.
void without_payloads(Connection& raw) {
  raw.script("ALTER TABLE tasks ADD COLUMN target TEXT");
  raw.script("ALTER TABLE tasks DROP COLUMN payload");
}

TEST_F(DatabaseTest, TheFirstTypesAreNotMultiattach) {
  auto put = [&](const char* name, model::Metadata specs) {
    db_->write_blocking([&](Transaction& tx) {
      model::VolumeType type;
      type.id = VolumeTypeId(name);
      type.name = name;
      type.extra_specs = specs;
      tx.volume_types().insert(type);
    });
  };
  put("GPSSD", {{"RESKEY:availability_zones", "az-1"}, {"multiattach", "<is> True"}});
  put("shared", {{"multiattach", "<is> True"}});
  db_.reset();
  {
    Connection raw((directory_ / "varve.db").string(), false);
    run(raw, "DELETE FROM schema_version WHERE version >= :v", std::int64_t{8});
    raw.script("DROP TABLE damages");
    raw.script("DROP INDEX tasks_failed_by_volume");
    raw.script("DROP INDEX messages_by_resource");
    raw.script("DROP INDEX tasks_undo_left");
    raw.script("ALTER TABLE tasks DROP COLUMN undo_left");
    without_payloads(raw);
    raw.script("DROP INDEX tasks_live");
    raw.script("ALTER TABLE tasks ADD COLUMN owner TEXT NOT NULL DEFAULT ''");
    raw.script("ALTER TABLE tasks ADD COLUMN lease_until INTEGER NOT NULL DEFAULT 0");
    raw.script("CREATE INDEX tasks_live ON tasks (lease_until) WHERE state = 'live'");
    raw.script("ALTER TABLE attachments ADD COLUMN export_uri TEXT");
    raw.script("ALTER TABLE attachments DROP COLUMN connection");
  }
  db_ = open_sqlite(directory_ / "varve.db", 10);
  std::map<std::string, model::Metadata> specs;
  db_->read_blocking([&](Transaction& tx) {
    for (const model::VolumeType& type : tx.volume_types().all()) specs[type.name] = type.extra_specs;
  });
  EXPECT_EQ(specs["GPSSD"], (model::Metadata{{"RESKEY:availability_zones", "az-1"}}));
  EXPECT_EQ(specs["shared"], (model::Metadata{{"multiattach", "<is> True"}}));
}

TEST_F(DatabaseTest, UrisBecomeConnections) {
  db_->write_blocking([&](Transaction& tx) {
    tx.volumes().insert(volume("v", "p1"));
    for (const char* id : {"unix", "tcp", "six", "none"}) {
      model::Attachment attachment;
      attachment.id = AttachmentId(id);
      attachment.volume_id = VolumeId("v");
      tx.attachments().insert(attachment);
    }
  });
  db_.reset();
  {
    Connection raw((directory_ / "varve.db").string(), false);
    run(raw, "DELETE FROM schema_version WHERE version >= :v", std::int64_t{13});
    without_payloads(raw);
    raw.script("ALTER TABLE attachments DROP COLUMN connection");
    raw.script("ALTER TABLE attachments ADD COLUMN export_uri TEXT");
    raw.script("UPDATE attachments SET export_uri = 'nbd+unix:///unix?socket=/a/nbd.sock' WHERE id = 'unix'");
    raw.script("UPDATE attachments SET export_uri = 'nbd://127.0.0.1:10900/tcp' WHERE id = 'tcp'");
    raw.script("UPDATE attachments SET export_uri = 'nbd://[::1]:10901/six' WHERE id = 'six'");
  }
  db_ = open_sqlite(directory_ / "varve.db", 10);
  auto connection = [&](const char* id) {
    return db_->read_blocking(
        [&](Transaction& tx) { return tx.attachments().get(std::nullopt, AttachmentId(id)).connection; });
  };
  EXPECT_EQ(connection("none"), std::nullopt);
  model::Connection expected{"nbd", {{"export_name", "unix"}, {"socket", "/a/nbd.sock"}}};
  expected.fields["uri"] = "nbd+unix:///unix?socket=/a/nbd.sock";
  EXPECT_EQ(connection("unix"), expected);
  expected = {"nbd", {{"export_name", "tcp"}, {"host", "127.0.0.1"}, {"port", std::int64_t{10900}}}};
  expected.fields["uri"] = "nbd://127.0.0.1:10900/tcp";
  EXPECT_EQ(connection("tcp"), expected);
  expected = {"nbd", {{"export_name", "six"}, {"host", "[::1]"}, {"port", std::int64_t{10901}}}};
  expected.fields["uri"] = "nbd://[::1]:10901/six";
  EXPECT_EQ(connection("six"), expected);
}

TEST_F(DatabaseTest, EveryPayloadComesBack) {
  std::vector<model::Payload> all{std::monostate(),
                                  VolumeId("v"),
                                  SnapshotId("s"),
                                  ImageId("i"),
                                  BackupId("b"),
                                  GroupSnapshotId("g"),
                                  VolumeTypeId("t"),
                                  model::PoolName{"fast"},
                                  model::FoundName{"a:b.raw"},
                                  model::Disconnection{true, model::AttachmentStatus::Reserved},
                                  model::Disconnection{false, model::AttachmentStatus::Attached}};
  ASSERT_EQ(all.size(), std::variant_size_v<model::Payload> + 1);
  for (std::size_t i = 0; i < all.size(); ++i) {
    model::Task one = task(std::to_string(i));
    one.payload = all[i];
    db_->write_blocking([&](Transaction& tx) { tx.tasks().insert(one); });
    model::Task read =
        db_->read_blocking([&](Transaction& tx) { return tx.tasks().find(std::nullopt, one.id).value(); });
    EXPECT_EQ(read.payload, all[i]) << i;
  }
}

TEST_F(DatabaseTest, ADamagedPayloadIsNothingAndItsTaskIsRead) {
  db_->write_blocking([&](Transaction& tx) {
    tx.tasks().insert(task("t"));
    run(tx.connection(), "UPDATE tasks SET payload = :text", std::string("what:ever"));
  });
  model::Task read =
      db_->read_blocking([&](Transaction& tx) { return tx.tasks().find(std::nullopt, TaskId("t")).value(); });
  EXPECT_EQ(read.payload, model::Payload());
  EXPECT_TRUE(read.with<BackupId>().empty());
}

TEST_F(DatabaseTest, TargetsBecomePayloads) {
  using enum model::TaskKind;
  using Status = model::AttachmentStatus;
  struct Before {
    model::TaskKind kind;
    std::optional<std::string> target;
    std::optional<std::string> resume;
    model::Payload payload;
  };
  std::vector<Before> rows{{CreateVolume, "v", {}, VolumeId("v")},
                           {CreateVolume, {}, {}, {}},
                           {CreateVolumeFromImage, "i", {}, ImageId("i")},
                           {ReimageVolume, "i", "reserved", ImageId("i")},
                           {UploadVolume, "i", "in-use", ImageId("i")},
                           {CreateVolumeFromBackup, "b", {}, BackupId("b")},
                           {BackupVolume, "b", "available", BackupId("b")},
                           {RestoreBackup, "b", {}, BackupId("b")},
                           {DeleteBackup, "b", {}, BackupId("b")},
                           {RetypeVolume, "t", "available", VolumeTypeId("t")},
                           {MigrateVolume, "fast", {}, model::PoolName{"fast"}},
                           {ManageVolume, "a.raw", {}, model::FoundName{"a.raw"}},
                           {ManageSnapshot, "s", {}, SnapshotId("s")},
                           {CreateGroupSnapshot, "g", {}, GroupSnapshotId("g")},
                           {DeleteVolume, {}, {}, {}},
                           {StopExport, "forget", "reserved", model::Disconnection{true, Status::Reserved}},
                           {StopExport, {}, {}, model::Disconnection{false, Status::Attached}}};
  db_->write_blocking([&](Transaction& tx) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      model::Task one = task(std::to_string(i));
      one.kind = rows[i].kind;
      tx.tasks().insert(one);
    }
  });
  db_.reset();
  {
    Connection raw((directory_ / "varve.db").string(), false);
    run(raw, "DELETE FROM schema_version WHERE version >= :v", std::int64_t{14});
    without_payloads(raw);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      run(raw, "UPDATE tasks SET target = :target, resume_status = :status WHERE id = :id", rows[i].target,
          rows[i].resume, std::to_string(i));
    }
  }
  db_ = open_sqlite(directory_ / "varve.db", 10);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    model::Task read = db_->read_blocking(
        [&](Transaction& tx) { return tx.tasks().find(std::nullopt, TaskId(std::to_string(i))).value(); });
    EXPECT_EQ(read.payload, rows[i].payload) << i;
    auto resume = rows[i].kind == StopExport ? std::nullopt : rows[i].resume;
    EXPECT_EQ(read.resume_status.has_value(), resume.has_value()) << i;
    if (read.resume_status) EXPECT_EQ(to_string(*read.resume_status), resume) << i;
  }
}

TEST_F(DatabaseTest, RolesOfACredentialAreAList) {
  model::User user;
  user.id = UserId("u");
  model::Project project;
  project.id = ProjectId("p");
  model::Domain domain;
  domain.id = user.domain_id = project.domain_id = "d";
  model::ApplicationCredential credential;
  credential.id = "c";
  credential.user_id = user.id;
  credential.project_id = project.id;
  credential.roles = {"member", "reader,admin", "a \"quoted\" \\one"};
  auto read = [&] {
    return db_->read_blocking(
        [](Transaction& tx) { return tx.identities().find<model::ApplicationCredential>("c").value().roles; });
  };
  db_->write_blocking([&](Transaction& tx) {
    tx.identities().insert(domain);
    tx.identities().insert(user);
    tx.identities().insert(project);
    tx.identities().insert(credential);
  });
  EXPECT_EQ(read(), credential.roles);
  for (const auto& [before, after] : std::map<std::string, std::vector<std::string>>{
           {"", {}}, {"member", {"member"}}, {"member,a\"b,c\\d", {"member", "a\"b", "c\\d"}}}) {
    db_.reset();
    {
      Connection raw((directory_ / "varve.db").string(), false);
      run(raw, "DELETE FROM schema_version WHERE version >= :v", std::int64_t{15});
      run(raw, "UPDATE application_credentials SET roles = :roles", before);
    }
    db_ = open_sqlite(directory_ / "varve.db", 10);
    EXPECT_EQ(read(), after) << before;
  }
}

TEST_F(DatabaseTest, RefusesANewerSchema) {
  db_.reset();
  {
    Connection raw((directory_ / "varve.db").string(), false);
    run(raw, "INSERT INTO schema_version (version) VALUES (:v)", std::int64_t{newest_schema_version() + 1});
  }
  try {
    open_sqlite(directory_ / "varve.db", 10);
    FAIL();
  } catch (const Error& fault) {
    EXPECT_EQ(fault.code(), ErrorCode::Unavailable);
    EXPECT_NE(fault.message().find("schema version"), std::string::npos);
  }
  db_ = nullptr;
}

// SQLite goes on in files that are gone: all that it acknowledges after that would be gone too.
TEST_F(DatabaseTest, WhatIsWrittenToFilesThatWereRemovedIsKept) {
  for (std::vector<std::string> removed :
       {std::vector<std::string>{"varve.db"}, {"varve.db-wal"}, {"varve.db", "varve.db-wal", "varve.db-shm"}}) {
    SCOPED_TRACE(removed.front() + " and " + std::to_string(removed.size() - 1));
    db_->write_blocking([](Transaction& tx) {
      for (const char* id : {"v1", "v2", "v3"}) {
        if (tx.volumes().find(std::nullopt, VolumeId(id))) tx.volumes().remove(VolumeId(id));
      }
    });
    auto first = [](Transaction& tx) { tx.volumes().insert(volume("v1")); };
    auto second = [](Transaction& tx) { tx.volumes().insert(volume("v2")); };
    auto third = [](Transaction& tx) { tx.volumes().insert(volume("v3")); };
    db_->write_blocking(first);
    for (const std::string& name : removed) std::filesystem::remove(directory_ / name);
    db_->write_blocking(second);
    EXPECT_TRUE(db_->takes_changes());
    db_->write_blocking(third);
    auto all_there = [](Transaction& tx) {
      for (const char* id : {"v1", "v2", "v3"}) EXPECT_TRUE(tx.volumes().find(std::nullopt, VolumeId(id))) << id;
    };
    db_->read_blocking(all_there);
    db_.reset();
    db_ = open_sqlite(directory_ / "varve.db", 1000);
    db_->read_blocking(all_there);
  }
}

// No connection is opened to the other one: those that are open serve in turn.
TEST_F(DatabaseTest, ReadsGoOnWhenAnotherDatabaseWasPutInItsPlace) {
  auto look = [](Transaction& tx) { EXPECT_TRUE(tx.volume_types().find(VolumeTypeId("type-ssd"))); };
  db_->read_blocking(look);
  std::filesystem::copy_file(directory_ / "varve.db", directory_ / "other");
  std::filesystem::rename(directory_ / "other", directory_ / "varve.db");
  std::future<void> second;
  db_->read_blocking([&](Transaction& tx) {
    look(tx);
    second = std::async(std::launch::async, [&] { db_->read_blocking(look); });
    EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout) << "the one is lent";
  });
  EXPECT_NO_THROW(second.get());
}

TEST_F(DatabaseTest, NothingIsWrittenWhenAnotherDatabaseWasPutInItsPlace) {
  std::filesystem::copy_file(directory_ / "varve.db", directory_ / "other");
  std::filesystem::rename(directory_ / "other", directory_ / "varve.db");
  auto change = [](Transaction& tx) { tx.volumes().insert(volume("v1")); };
  EXPECT_THROW(db_->write_blocking(change), Error);
  EXPECT_FALSE(db_->takes_changes());
}

}  // namespace
}  // namespace varve::store
