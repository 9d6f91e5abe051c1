#include "services/tags.h"

#include <algorithm>

#include "base/error.h"
#include "model/reason.h"
#include "services/states.h"

namespace varve::services {

namespace {

constexpr std::size_t kMaxKey = 36;
constexpr std::size_t kMaxValue = 43;

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

[[noreturn]] void no_such_tag(const std::string& id, const std::string& key) {
  throw Error(ErrorCode::NotFound, "Tags item was not found: " + id + " has no tag with key " + key + ".");
}

void require_count(const model::Metadata& tags) {
  if (tags.size() <= kMaxTags) return;
  throw Error(ErrorCode::InvalidInput,
              "Invalid tags: there would be " + std::to_string(tags.size()) + ", at most 10 are allowed.",
              Reason::TooManyTags);
}

}  // namespace

void require_tags(const model::Metadata& tags) {
  for (const auto& [key, value] : tags) {
    if (key.empty() || key.size() > kMaxKey || !is_plain(key)) {
      throw Error(ErrorCode::InvalidInput,
                  "Invalid tags: the key '" + key.substr(0, 100) +
                      "' must have 1 to 36 digits, letters, hyphens and underscores.",
                  Reason::InvalidTag);
    }
    if (value.size() > kMaxValue || !is_plain(value)) {
      throw Error(
          ErrorCode::InvalidInput,
          "Invalid tags: the value of '" + key + "' must have at most 43 digits, letters, hyphens and underscores.",
          Reason::InvalidTag);
    }
  }
  require_count(tags);
}

boost::asio::awaitable<model::Metadata> Tags::show(model::Actor actor, Tagged kind, std::string id) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    return kind == Tagged::Volumes ? tx.volumes().get(actor.scope(), VolumeId(id)).tags
                                   : tx.snapshots().get(actor.scope(), SnapshotId(id)).tags;
  });
}

boost::asio::awaitable<model::Metadata> Tags::change(model::Actor actor, Tagged kind, std::string id,
                                                     std::function<void(model::Metadata&)> apply) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    if (kind == Tagged::Volumes) {
      model::Volume volume = tx.volumes().get(actor.scope(), VolumeId(id));
      apply(volume.tags);
      volume.updated_at = clock_.now();
      tx.volumes().update(volume);
      return volume.tags;
    }
    model::Snapshot snapshot = tx.snapshots().get(actor.scope(), SnapshotId(id));
    require_user_made(snapshot);
    apply(snapshot.tags);
    snapshot.updated_at = clock_.now();
    tx.snapshots().update(snapshot);
    return snapshot.tags;
  });
}

boost::asio::awaitable<model::Metadata> Tags::set(model::Actor actor, Tagged kind, std::string id, model::Metadata tags,
                                                  bool merge) {
  require_tags(tags);
  std::function<void(model::Metadata&)> apply = [&](model::Metadata& present) {
    if (!merge) present.clear();
    for (const auto& [key, value] : tags) present[key] = value;
    require_count(present);
  };
  co_return co_await change(actor, kind, id, apply);
}

boost::asio::awaitable<void> Tags::remove(model::Actor actor, Tagged kind, std::string id,
                                          std::vector<std::string> keys, bool strict) {
  std::function<void(model::Metadata&)> apply = [&](model::Metadata& present) {
    for (const std::string& key : keys) {
      if (present.erase(key) == 0 && strict) no_such_tag(id, key);
    }
  };
  co_await change(actor, kind, id, apply);
}

boost::asio::awaitable<std::map<std::string, std::set<std::string>>> Tags::all(model::Actor actor, Tagged kind) const {
  std::vector<model::Metadata> rows = co_await db_.read([&](store::Transaction& tx) {
    return kind == Tagged::Volumes ? tx.volumes().tags(actor.project_id) : tx.snapshots().tags(actor.project_id);
  });
  std::map<std::string, std::set<std::string>> out;
  for (const model::Metadata& tags : rows) {
    for (const auto& [key, value] : tags) out[key].insert(value);
  }
  co_return out;
}

}  // namespace varve::services
