#include "qemu/storage_daemons.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <fstream>
#include <future>

#include "base/error.h"
#include "base/fault.h"
#include "base/files.h"

namespace varve::qemu {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kBound = std::chrono::seconds(20);

Timeouts short_timeouts() {
  Timeouts out;
  out.answer = milliseconds(1000);
  out.adoption = milliseconds(500);
  out.launch = milliseconds(1000);
  out.quit = milliseconds(2000);
  return out;
}

class StorageDaemonsTest : public testing::Test {
 protected:
  StorageDaemonsTest() {
    char pattern[] = "/tmp/varve-qsd-XXXXXX";
    directory_ = mkdtemp(pattern);
    begin();
  }
  ~StorageDaemonsTest() override {
    daemons_.reset();
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "run")) {
      for (const Process& left : Process::find_all("--pidfile", entry.path() / "pid")) left.kill();
    }
    std::filesystem::remove_all(directory_);
  }

  void begin(const std::string& program = "qemu-storage-daemon") {
    daemons_.reset();
    daemons_ = std::make_unique<StorageDaemons>(directory_ / "run", program, short_timeouts());
  }

  std::string script(const std::string& text) {
    std::filesystem::path file = directory_ / "program";
    std::ofstream(file) << "#!/bin/sh\n" << text << "\n";
    ::chmod(file.c_str(), 0755);
    return file;
  }

  static void signal(const std::shared_ptr<StorageDaemon>& daemon, int number) {
    ::kill(daemon->process().pid(), number);
  }

  static ErrorCode refusal(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& fault) {
      return fault.code();
    }
    return ErrorCode::Internal;
  }

  // Times out the first call, so that the daemon is known to be stalled.
  static void stall(const std::shared_ptr<StorageDaemon>& daemon) {
    daemon->qmp().execute("query-jobs");
    signal(daemon, SIGSTOP);
    EXPECT_EQ(refusal([&] { daemon->qmp().execute("query-jobs"); }), ErrorCode::Unavailable);
  }

  std::filesystem::path directory_;
  std::unique_ptr<StorageDaemons> daemons_;
};

TEST_F(StorageDaemonsTest, ADaemonWhosePidFileCannotBeReadIsNotOverlooked) {
  fault::arm(fault::Kind::Open, 1, EMFILE);
  std::shared_ptr<StorageDaemon> daemon = daemons_->start("one");
  EXPECT_TRUE(fault::disarm());
  EXPECT_TRUE(daemon->qmp().execute("query-jobs").is_array());
}

TEST_F(StorageDaemonsTest, AStalledDaemonFailsAtOnceUntilItAnswers) {
  auto daemon = daemons_->start("v");
  stall(daemon);
  EXPECT_TRUE(daemon->qmp().stalled());
  auto started = steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(refusal([&] { daemon->qmp().execute("query-jobs"); }), ErrorCode::Unavailable);
  }
  EXPECT_LT(steady_clock::now() - started, milliseconds(500));
  EXPECT_EQ(daemons_->find("v"), daemon);
  EXPECT_EQ(daemons_->start("v"), daemon);
  signal(daemon, SIGCONT);
  for (auto end = steady_clock::now() + kBound; daemon->qmp().stalled() && steady_clock::now() < end;) {
    daemon->process().wait_gone(milliseconds(10));
  }
  EXPECT_TRUE(daemon->qmp().execute("query-jobs").as_array().empty());
}

TEST_F(StorageDaemonsTest, AStalledDaemonIsFoundAgainAndWaitedForOnce) {
  pid_t pid = daemons_->start("v")->process().pid();
  ::kill(pid, SIGSTOP);
  for (int i = 0; i < 5; ++i) {  // more connections than a stopped daemon has room for
    auto started = steady_clock::now();
    begin();
    daemons_->adopt_all();
    EXPECT_LT(steady_clock::now() - started, milliseconds(2000));
  }
  auto daemon = daemons_->find("v");
  ASSERT_TRUE(daemon);
  EXPECT_EQ(daemon->process().pid(), pid);
  EXPECT_EQ(refusal([&] { daemon->qmp().execute("query-jobs"); }), ErrorCode::Unavailable);
  signal(daemon, SIGCONT);
  EXPECT_TRUE(daemon->qmp().ready_by(steady_clock::now() + kBound));
  daemon->qmp().execute("query-jobs");
}

TEST_F(StorageDaemonsTest, AStalledPoolIsReplaced) {
  auto before = daemons_->start("pool");
  stall(before);
  auto after = daemons_->start("pool");
  EXPECT_NE(after, before);
  EXPECT_TRUE(before->process().wait_gone(kBound));
  after->qmp().execute("query-jobs");
}

TEST_F(StorageDaemonsTest, AStalledPoolOfTheLastVarvedIsEnded) {
  auto before = daemons_->start("pool");
  std::optional<Process> process = Process::find(before->process().pid(), "--pidfile", directory_ / "run/pool/pid");
  ASSERT_TRUE(process);
  signal(before, SIGSTOP);
  before.reset();
  auto other = std::make_unique<StorageDaemons>(directory_ / "run", "qemu-storage-daemon", short_timeouts());
  other->end("pool");
  EXPECT_TRUE(process->wait_gone(kBound));
  EXPECT_FALSE(other->find("pool"));
}

TEST_F(StorageDaemonsTest, ADaemonThatDoesNotQuitStaysAndCanBeStoppedLater) {
  auto daemon = daemons_->start("v");
  stall(daemon);
  EXPECT_EQ(refusal([&] { daemons_->stop("v"); }), ErrorCode::Unavailable);
  EXPECT_EQ(daemons_->find("v"), daemon);
  signal(daemon, SIGCONT);
  EXPECT_TRUE(daemon->qmp().ready_by(steady_clock::now() + kBound));
  for (auto end = steady_clock::now() + kBound; daemon->qmp().stalled() && steady_clock::now() < end;) {
    daemon->process().wait_gone(milliseconds(10));
  }
  daemons_->stop("v");
  EXPECT_TRUE(daemon->process().wait_gone(milliseconds(0)));
  EXPECT_FALSE(daemons_->find("v"));
}

TEST_F(StorageDaemonsTest, AProgramThatHangsIsKilledAndWhatItSaidIsTold) {
  begin(script("echo $$ > " + (directory_ / "hanging").string() + "; echo no license; sleep 1000 & wait"));
  try {
    daemons_->start("v");
    FAIL() << "it started";
  } catch (const Error& fault) {
    EXPECT_EQ(fault.code(), ErrorCode::Unavailable);
    EXPECT_NE(fault.message().find("no license"), std::string::npos) << fault.message();
  }
  pid_t pid = std::stoi(files::read(directory_ / "hanging"));
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_FALSE(daemons_->find("v"));
}

TEST_F(StorageDaemonsTest, APidFileThatNamesAnotherProgramHarmsNobody) {
  std::filesystem::path run = directory_ / "run/v";
  files::make_directory(run);
  pid_t stranger = fork();
  if (stranger == 0) {
    execlp("sleep", "sleep", "1000", nullptr);
    _exit(1);
  }
  std::ofstream(run / "pid") << stranger << "\n";
  EXPECT_FALSE(daemons_->find("v"));
  daemons_->end("v");
  daemons_->stop("v");
  auto daemon = daemons_->start("v");
  EXPECT_NE(daemon->process().pid(), stranger);
  EXPECT_EQ(::kill(stranger, 0), 0);
  ::kill(stranger, SIGKILL);
  ::waitpid(stranger, nullptr, 0);
}

TEST_F(StorageDaemonsTest, ADaemonIsFoundWithoutItsPidFile) {
  pid_t pid = daemons_->start("v")->process().pid();
  std::filesystem::remove(directory_ / "run/v/pid");
  begin();
  auto daemon = daemons_->find("v");
  ASSERT_TRUE(daemon);
  EXPECT_EQ(daemon->process().pid(), pid);
}

TEST_F(StorageDaemonsTest, ALossIsToldOnceAndAThrowThereEndsNothing) {
  std::promise<std::string> lost;
  daemons_->on_lost([&](const std::string& key) {
    lost.set_value(key);
    throw Error(ErrorCode::NoSpace, "the disk is full");
  });
  auto daemon = daemons_->start("v");
  signal(daemon, SIGKILL);
  auto told = lost.get_future();
  ASSERT_EQ(told.wait_for(kBound), std::future_status::ready);
  EXPECT_EQ(told.get(), "v");
  EXPECT_FALSE(daemons_->find("v"));
  daemons_->on_lost({});
  EXPECT_NE(daemons_->start("v"), daemon);
}

TEST_F(StorageDaemonsTest, OnlyThePoolEndsWithVarved) {
  auto pool = daemons_->start("pool");
  auto volume = daemons_->start("v");
  daemons_.reset();
  EXPECT_TRUE(pool->process().wait_gone(milliseconds(0)));
  EXPECT_FALSE(volume->process().wait_gone(milliseconds(0)));
  pool.reset();
  volume.reset();
}

TEST_F(StorageDaemonsTest, HurryEndsAWait) {
  auto daemon = daemons_->start("v");
  daemon->qmp().execute("query-jobs");
  Timeouts long_answers;
  long_answers.answer = std::chrono::minutes(10);
  long_answers.hurried = milliseconds(100);
  StorageDaemons patient(directory_ / "run2", "qemu-storage-daemon", long_answers);
  auto other = patient.start("v");
  other->qmp().execute("query-jobs");
  signal(other, SIGSTOP);
  auto waiting = std::async(std::launch::async, [&] { return refusal([&] { other->qmp().execute("query-jobs"); }); });
  patient.hurry();
  ASSERT_EQ(waiting.wait_for(kBound), std::future_status::ready);
  EXPECT_EQ(waiting.get(), ErrorCode::Unavailable);
  other->process().kill();
}

}  // namespace
}  // namespace varve::qemu
