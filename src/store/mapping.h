// How a struct is kept in a table: one list of columns a table (Table<T>::columns), from which the SELECT, INSERT and
// the decoding follow. Times are integer microseconds, booleans 0/1, enums and ids text, metadata canonical JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "model/metadata.h"
#include "model/page.h"
#include "model/resources.h"
#include "store/sql.h"

namespace varve::store {

// The text form of metadata: a JSON object with sorted keys and no blanks, so that `,"k":"v"` can be searched for.
std::string encode_metadata(const model::Metadata& metadata);
model::Metadata decode_metadata(const std::string& text);
// `"k":"v"` as it stands in that text, or how it begins when the value does not matter.
std::string encode_metadata_pair(const model::Pair& pair);

// {"protocol": "nbd", "fields": {...}}
std::string encode_connection(const model::Connection& connection);
model::Connection decode_connection(const std::string& text);

// ["a", "b"]
std::string encode_names(const std::vector<std::string>& names);
std::vector<std::string> decode_names(const std::string& text);

// A word for what it is, a colon, and which: "backup:ID", "pool:NAME", "forget:attached". Nothing is an empty text.
std::string encode_payload(const model::Payload& payload);
model::Payload decode_payload(const std::string& text);

// Converts one field to and from a column.
template <class T>
struct Codec;

template <>
struct Codec<std::string> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const std::string& field) { return {type, false, 0, field}; }
  static std::string decode(const Row& row, std::size_t column) { return row.text(column); }
};

template <>
struct Codec<std::int64_t> {
  static constexpr ColumnType type = ColumnType::Integer;
  static Value encode(std::int64_t field) { return {type, false, field, {}}; }
  static std::int64_t decode(const Row& row, std::size_t column) { return row.integer(column); }
};

template <>
struct Codec<bool> {
  static constexpr ColumnType type = ColumnType::Integer;
  static Value encode(bool field) { return {type, false, field ? 1 : 0, {}}; }
  static bool decode(const Row& row, std::size_t column) { return row.integer(column) != 0; }
};

template <>
struct Codec<Timestamp> {
  static constexpr ColumnType type = ColumnType::Integer;
  static Value encode(Timestamp field) { return {type, false, field.time_since_epoch().count(), {}}; }
  static Timestamp decode(const Row& row, std::size_t column) {
    return Timestamp(std::chrono::microseconds(row.integer(column)));
  }
};

template <class Tag>
struct Codec<Id<Tag>> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const Id<Tag>& field) { return {type, false, 0, field.str()}; }
  static Id<Tag> decode(const Row& row, std::size_t column) { return Id<Tag>(row.text(column)); }
};

template <>
struct Codec<model::Metadata> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const model::Metadata& field) { return {type, false, 0, encode_metadata(field)}; }
  static model::Metadata decode(const Row& row, std::size_t column) { return decode_metadata(row.text(column)); }
};

template <>
struct Codec<model::Connection> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const model::Connection& field) { return {type, false, 0, encode_connection(field)}; }
  static model::Connection decode(const Row& row, std::size_t column) { return decode_connection(row.text(column)); }
};

template <>
struct Codec<model::Payload> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const model::Payload& field) {
    bool nothing = std::holds_alternative<std::monostate>(field);
    return {type, nothing, 0, encode_payload(field)};
  }
  static model::Payload decode(const Row& row, std::size_t column) {
    return row.null(column) ? model::Payload() : decode_payload(row.text(column));
  }
};

template <>
struct Codec<std::vector<std::string>> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const std::vector<std::string>& field) { return {type, false, 0, encode_names(field)}; }
  static std::vector<std::string> decode(const Row& row, std::size_t column) { return decode_names(row.text(column)); }
};

// Ids, with commas between them.
template <class Tag>
struct Codec<std::vector<Id<Tag>>> {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(const std::vector<Id<Tag>>& field) {
    std::string list;
    for (const Id<Tag>& id : field) list += (list.empty() ? "" : ",") + id.str();
    return {type, false, 0, std::move(list)};
  }
  static std::vector<Id<Tag>> decode(const Row& row, std::size_t column) {
    std::vector<Id<Tag>> out;
    for (std::string& id : split(row.text(column), ',')) out.emplace_back(std::move(id));
    return out;
  }
};

// A name this daemon does not know (written by a newer one) is our own fault, not the caller's.
[[noreturn]] void unknown_name(std::string_view what, std::string_view text);
void note_damaged(std::string_view what, std::string_view text);

template <class Enum, std::optional<Enum> (*Parse)(std::string_view)>
struct EnumCodec {
  static constexpr ColumnType type = ColumnType::Text;
  static Value encode(Enum field) { return {type, false, 0, std::string(to_string(field))}; }
  static Enum decode(const Row& row, std::size_t column) {
    std::optional<Enum> value = Parse(row.text(column));
    if (!value) unknown_name("enum", row.text(column));
    return *value;
  }
};

// A damaged column is the trouble of its own row: nobody else's list fails for it.
template <class Enum, std::optional<Enum> (*Parse)(std::string_view), Enum Damaged>
struct StatusCodec : EnumCodec<Enum, Parse> {
  static Enum decode(const Row& row, std::size_t column) {
    std::optional<Enum> value = Parse(row.text(column));
    if (!value) note_damaged("status", row.text(column));
    return value.value_or(Damaged);
  }
};

template <>
struct Codec<model::VolumeStatus>
    : StatusCodec<model::VolumeStatus, model::parse_volume_status, model::VolumeStatus::Error> {};
template <>
struct Codec<model::SnapshotStatus>
    : StatusCodec<model::SnapshotStatus, model::parse_snapshot_status, model::SnapshotStatus::Error> {};
template <>
struct Codec<model::AttachmentStatus>
    : StatusCodec<model::AttachmentStatus, model::parse_attachment_status, model::AttachmentStatus::Attached> {};
template <>
struct Codec<model::AttachMode> : EnumCodec<model::AttachMode, model::parse_attach_mode> {};
template <>
struct Codec<model::TaskKind> : EnumCodec<model::TaskKind, model::parse_task_kind> {};
template <>
struct Codec<model::TaskState> : EnumCodec<model::TaskState, model::parse_task_state> {};

template <class T>
struct Codec<std::optional<T>> {
  static constexpr ColumnType type = Codec<T>::type;
  static Value encode(const std::optional<T>& field) {
    return field ? Codec<T>::encode(*field) : Value{type, true, 0, {}};
  }
  static std::optional<T> decode(const Row& row, std::size_t column) {
    if (row.null(column)) return std::nullopt;
    return Codec<T>::decode(row, column);
  }
};

template <class T>
struct Table;

// "id, project_id, ..." of a table.
template <class T>
const std::string& column_list() {
  static const std::string list = [] {
    std::string out;
    T probe{};
    Table<T>::columns(probe, [&](std::string_view name, auto&) {
      if (!out.empty()) out += ", ";
      out += name;
    });
    return out;
  }();
  return list;
}

template <class T>
std::span<const ColumnType> column_types() {
  static const std::vector<ColumnType> types = [] {
    std::vector<ColumnType> out;
    T probe{};
    Table<T>::columns(probe, [&](std::string_view, auto& field) {
      out.push_back(Codec<std::remove_cvref_t<decltype(field)>>::type);
    });
    return out;
  }();
  return types;
}

template <class T>
T decode_row(const Row& row) {
  T out{};
  std::size_t column = 0;
  Table<T>::columns(out, [&](std::string_view, auto& field) {
    field = Codec<std::remove_cvref_t<decltype(field)>>::decode(row, column++);
  });
  return out;
}

template <class... In>
std::vector<Value> values(const In&... in) {
  std::vector<Value> out;
  out.reserve(sizeof...(In));
  (out.push_back(Codec<In>::encode(in)), ...);
  return out;
}

template <class... In>
std::int64_t run(Connection& db, std::string_view sql, const In&... in) {
  return db.run(sql, values(in...));
}

// SELECT of whole rows: `tail` is what follows "SELECT <columns> FROM <table> ".
template <class T, class... In>
std::vector<T> select(Connection& db, std::string_view tail, const In&... in) {
  std::vector<T> out;
  std::string sql = "SELECT " + column_list<T>() + " FROM " + std::string(Table<T>::name) + " " + std::string(tail);
  db.query(sql, values(in...), column_types<T>(), [&](const Row& row) { out.push_back(decode_row<T>(row)); });
  return out;
}

template <class T, class... In>
std::optional<T> select_one(Connection& db, std::string_view tail, const In&... in) {
  std::vector<T> rows = select<T>(db, tail, in...);
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}

template <class T>
void insert(Connection& db, const T& row) {
  static const std::string sql = [] {
    std::string marks;
    T probe{};
    Table<T>::columns(probe, [&](std::string_view name, auto&) {
      marks += marks.empty() ? ":" : ", :";
      marks += name;
    });
    return "INSERT INTO " + std::string(Table<T>::name) + " (" + column_list<T>() + ") VALUES (" + marks + ")";
  }();
  std::vector<Value> in;
  Table<T>::columns(row, [&](std::string_view, const auto& field) {
    in.push_back(Codec<std::remove_cvref_t<decltype(field)>>::encode(field));
  });
  db.run(sql, in);
}

// Writes every column but the id of the row that has this id; false if there is none.
template <class T>
bool update(Connection& db, const T& row) {
  static const std::string sql = [] {
    std::string sets;
    T probe{};
    Table<T>::columns(probe, [&](std::string_view name, auto&) {
      if (name == "id") return;
      if (!sets.empty()) sets += ", ";
      sets += std::string(name) + " = :" + std::string(name);
    });
    return "UPDATE " + std::string(Table<T>::name) + " SET " + sets + " WHERE id = :id";
  }();
  std::vector<Value> in;
  Value id;
  Table<T>::columns(row, [&](std::string_view name, const auto& field) {
    Value value = Codec<std::remove_cvref_t<decltype(field)>>::encode(field);
    if (name == "id") {
      id = std::move(value);
    } else {
      in.push_back(std::move(value));
    }
  });
  in.push_back(std::move(id));
  return db.run(sql, in) > 0;
}

// One row of plain columns: `auto [count, size] = *query_one<std::int64_t, std::int64_t>(db, sql, ...)`.
template <class... Out, class... In>
std::vector<std::tuple<Out...>> query(Connection& db, std::string_view sql, const In&... in) {
  std::vector<std::tuple<Out...>> out;
  static constexpr ColumnType kTypes[] = {Codec<Out>::type...};
  db.query(sql, values(in...), kTypes, [&](const Row& row) {
    std::size_t column = 0;
    // Braces: evaluated left to right.
    out.push_back(std::tuple<Out...>{Codec<Out>::decode(row, column++)...});
  });
  return out;
}

}  // namespace varve::store
