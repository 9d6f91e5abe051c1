#include "store/plain_rows.h"

#include <algorithm>
#include <boost/json.hpp>

#include "store/mapping.h"

namespace varve::store {

namespace json = boost::json;

PlainTable::PlainTable(Connection& db, std::string name, const std::vector<std::string>& hidden)
    : name_(std::move(name)) {
  using Text = std::string;
  for (const auto& [column, type] :
       query<Text, Text>(db, "SELECT name, type FROM pragma_table_info(:name) ORDER BY cid", name_)) {
    if (std::ranges::find(hidden, column) != hidden.end()) continue;
    columns_.push_back({column, type == "INTEGER" ? ColumnType::Integer : ColumnType::Text});
  }
}

json::array PlainTable::select(Connection& db, std::string_view tail, const std::vector<Value>& in) const {
  std::string list;
  std::vector<ColumnType> types;
  for (const Column& column : columns_) {
    list += (list.empty() ? "" : ", ") + column.name;
    types.push_back(column.type);
  }
  json::array out;
  db.query("SELECT " + list + " FROM " + name_ + " " + std::string(tail), in, types, [&](const Row& row) {
    json::object one;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      json::value& value = one[columns_[i].name];
      if (row.null(i)) continue;
      if (columns_[i].type == ColumnType::Integer) {
        value = row.integer(i);
      } else {
        value = row.text(i);
      }
    }
    out.push_back(std::move(one));
  });
  return out;
}

bool PlainTable::insert(Connection& db, const json::object& row) const {
  std::string list;
  std::string marks;
  std::vector<Value> in;
  for (const Column& column : columns_) {
    const json::value* value = row.if_contains(column.name);
    if (value == nullptr) continue;
    bool fits = value->is_null() || (column.type == ColumnType::Integer ? value->is_int64() : value->is_string());
    if (!fits) continue;
    Value& bound = in.emplace_back();
    bound.type = column.type;
    bound.null = value->is_null();
    if (value->is_int64()) bound.integer = value->as_int64();
    if (value->is_string()) bound.text = std::string(value->as_string());
    list += (list.empty() ? "" : ", ") + column.name;
    marks += (marks.empty() ? ":" : ", :") + column.name;
  }
  if (in.empty()) return false;
  return db.run("INSERT OR IGNORE INTO " + name_ + " (" + list + ") VALUES (" + marks + ")", in) > 0;
}

}  // namespace varve::store
