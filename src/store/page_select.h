// A page of any table in one statement: filters, mixed sort directions, a keyset marker, limit and offset.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "model/page.h"
#include "store/mapping.h"

namespace varve::store {

struct PageSql {
  std::string where_and_order;  // what follows "FROM table"
  std::string where;            // without marker, order and limit: for counting
  std::vector<Value> page_values;
  std::vector<Value> count_values;
};

PageSql build_page(std::string_view table, const model::PageQuery& query);

template <class T>
model::Page<T> select_page(Connection& db, const model::PageQuery& query) {
  const std::string table(Table<T>::name);
  PageSql sql = build_page(table, query);
  model::Page<T> page;
  page.rows.reserve(static_cast<std::size_t>(query.limit > 64 ? 64 : query.limit));
  db.query("SELECT " + column_list<T>() + " FROM " + table + sql.where_and_order, sql.page_values, column_types<T>(),
           [&](const Row& row) { page.rows.push_back(decode_row<T>(row)); });
  if (query.with_count) {
    static constexpr ColumnType kInteger[] = {ColumnType::Integer};
    db.query("SELECT COUNT(*) FROM " + table + sql.where, sql.count_values, kInteger,
             [&](const Row& row) { page.count = row.integer(0); });
  }
  return page;
}

}  // namespace varve::store
