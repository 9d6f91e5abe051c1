// For unit tests of use cases: the service of the simulator, whose steps the test takes itself. Nothing happens but
// what it asks for, and all of it on its own thread.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>

#include "checkers/invariants.h"
#include "random.h"
#include "scheduler.h"
#include "service.h"
#include "world.h"

namespace varve::sim {

class Rig : public testing::Test {
 protected:
  Rig()
      : scheduler_(clock_, [this] { step("store"); }),
        exporter_([this](std::string_view call, const model::Source&) { return failure_of(call); }) {
    char pattern[] = "/tmp/varve-rig-XXXXXX";
    directory_ = mkdtemp(pattern);
    make_template(directory_ / "varve.db");
    backend_.watch([this](std::string_view call, const VolumeId&) { return failure_of(call); });
    settings_.export_timeout = std::chrono::hours(1);
    actor_.project_id = ProjectId("p0");
    other_.project_id = ProjectId("p1");
    admin_.project_id = ProjectId("p1");
    admin_.admin = true;
  }
  ~Rig() override {
    service_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Made when it is first asked for: settings_ may be changed before.
  Service& service() {
    if (!service_) {
      Surroundings around{directory_ / "varve.db",
                          backend_,
                          exporter_,
                          keys_,
                          images_,
                          objects_,
                          calls_,
                          clock_,
                          rng_,
                          scheduler_,
                          settings_};
      service_ = std::make_unique<Service>(around);
      service_->start();
    }
    return *service_;
  }

  // The call begins: it is committed, and nothing more is done. What it throws before is thrown.
  template <class T>
  std::shared_ptr<std::optional<T>> begin(boost::asio::awaitable<T> call) {
    auto answer = std::make_shared<std::optional<T>>();
    boost::asio::co_spawn(io_, std::move(call), [this, answer](const std::exception_ptr& fault, T value) {
      fault_ = fault;
      if (!fault) answer->emplace(std::move(value));
    });
    settle();
    return answer;
  }
  void begin(boost::asio::awaitable<void> call) {
    boost::asio::co_spawn(io_, std::move(call), [this](const std::exception_ptr& fault) { fault_ = fault; });
    settle();
  }
  // The call, and all the work that it begins.
  template <class T>
  T call(boost::asio::awaitable<T> call) {
    auto answer = begin(std::move(call));
    work();
    return std::move(answer->value());
  }
  void call(boost::asio::awaitable<void> call) {
    begin(std::move(call));
    work();
  }
  // Its code, and none when it does not fail.
  template <class T>
  std::optional<ErrorCode> code_of(boost::asio::awaitable<T> call) {
    try {
      begin(std::move(call));
    } catch (const Error& error) {
      return error.code();
    }
    return std::nullopt;
  }

  // All that can be done at this time.
  void work() {
    while (step("")) settle();
  }
  void pass(std::chrono::seconds time) {
    clock_.advance(time);
    work();
  }

  // Before each of these calls to the backend or the exporter, which fails as that says.
  using Watch = std::function<std::optional<fake::Failure>()>;
  void before(const std::string& call, Watch watch) { watches_[call] = std::move(watch); }
  // The next of them fail.
  void fail(const std::string& call, int times = 1) {
    before(call, [left = times]() mutable -> std::optional<fake::Failure> {
      if (left-- <= 0) return std::nullopt;
      return fake::Failure{ErrorCode::BackendFailed, false};
    });
  }

  VolumeId volume(const model::Actor& actor, const std::string& type = "SAS", bool multiattach = false) {
    services::VolumeSpec spec;
    spec.size_gib = 1;
    spec.volume_type = type;
    spec.multiattach = multiattach;
    return call(service().volumes.create(actor, spec)).volumes.front().volume.id;
  }
  View view() { return view_of(service().db(), false); }

  model::Actor actor_;
  model::Actor other_;  // of another project
  model::Actor admin_;
  services::Settings settings_;
  ManualClock clock_{Timestamp{std::chrono::sys_days{std::chrono::year{2030} / 1 / 1}}};
  SeededScheduler scheduler_;
  fake::FakeBackend backend_;
  Exporter exporter_;

 private:
  bool step(const std::string& name) {
    for (SeededScheduler::Step* loop : scheduler_.ready()) {
      if (!name.empty() && loop->name() != name) continue;
      loop->run();
      return true;
    }
    return false;
  }

  // Commits and answers.
  void settle() {
    do {
      io_.restart();
      io_.poll();
    } while (step("store"));
    if (fault_) std::rethrow_exception(std::exchange(fault_, nullptr));
  }

  std::optional<fake::Failure> failure_of(std::string_view call) {
    auto found = watches_.find(std::string(call));
    return found == watches_.end() ? std::nullopt : found->second();
  }

  std::filesystem::path directory_;
  SeededRng rng_{1};
  Keys keys_;
  NoImages images_;
  NoObjects objects_;
  Offload calls_{0};
  std::map<std::string, Watch> watches_;
  boost::asio::io_context io_;
  std::exception_ptr fault_;
  std::unique_ptr<Service> service_;
};

}  // namespace varve::sim
