// What a caller must be allowed to: said where a route or an action is declared, checked before its handler runs. An
// action that is not in the list of EVS's does not compile.
// Source: the permission pages of the EVS API reference ("Permissions Policies and Supported Actions").
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace varve::api {

// A fine-grained action, as custom policies name it.
class Action {
 public:
  consteval Action(const char* name) : Action(std::string_view(name)) {}
  consteval explicit Action(std::string_view name) : name_(name) {
    for (std::string_view known : kKnown) {
      if (known == name) return;
    }
    throw "EVS has no such action";
  }
  constexpr Action() = default;

  constexpr std::string_view name() const { return name_; }

 private:
  static constexpr std::string_view kKnown[] = {
      "evs:volumes:create",      "evs:volumes:list",        "evs:volumes:get",          "evs:volumes:update",
      "evs:volumes:delete",      "evs:volumes:extend",      "evs:volumes:attach",       "evs:volumes:detach",
      "evs:volumes:uploadImage", "evs:types:get",           "evs:quotas:get",           "evs:snapshots:create",
      "evs:snapshots:list",      "evs:snapshots:get",       "evs:snapshots:update",     "evs:snapshots:delete",
      "evs:snapshots:rollback",  "evs:transfers:create",    "evs:transfers:list",       "evs:transfers:get",
      "evs:transfers:delete",    "evs:transfers:accept",    "evs:volumeTags:list",      "evs:volumeTags:get",
      "evs:volumeTags:getById",  "evs:volumeTags:create",   "evs:volumeTags:update",    "evs:volumeTags:delete",
      "evs:snapshotTags:list",   "evs:snapshotTags:get",    "evs:snapshotTags:getById", "evs:snapshotTags:create",
      "evs:snapshotTags:update", "evs:snapshotTags:delete", "evs:backupTags:list",      "evs:backupTags:get",
      "evs:backupTags:getById",  "evs:backupTags:create",   "evs:backupTags:update",    "evs:backupTags:delete",
  };

  std::string_view name_;
};

// Read from words with blanks between them: one of anyone, token, member and admin, or actions, or admin and actions.
class Needs {
 public:
  enum class Who : std::uint8_t {
    Anyone,  // nobody is asked
    Token,   // a good token: the handler decides, or there is nothing to guard
    Member,  // the role reader for GET and HEAD, member otherwise
    Admin,   // the role admin
  };

  consteval Needs(const char* words) : words_(words) {
    std::string_view rest = words;
    for (;;) {
      std::size_t blank = rest.find(' ');
      read(rest.substr(0, blank));
      if (blank == std::string_view::npos) break;
      rest.remove_prefix(blank + 1);
    }
    if (count_ > 0 && (who_ == Who::Anyone || who_ == Who::Member)) throw "actions say enough";
  }

  constexpr Who who() const { return who_; }
  constexpr std::span<const Action> actions() const { return {actions_.data(), count_}; }  // all of them, as well
  constexpr std::string_view words() const { return words_; }

 private:
  consteval void read(std::string_view word) {
    if (word == "anyone") {
      say(Who::Anyone);
    } else if (word == "member") {
      say(Who::Member);
    } else if (word == "admin") {
      say(Who::Admin);
    } else if (word != "token") {
      actions_.at(count_++) = Action(word);
    }
  }
  consteval void say(Who who) {
    if (who_ != Who::Token) throw "one of them";
    who_ = who;
  }

  Who who_ = Who::Token;
  std::string_view words_;
  std::array<Action, 3> actions_;
  std::size_t count_ = 0;
};

}  // namespace varve::api
