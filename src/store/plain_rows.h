// Rows as JSON objects, column by column as the schema names them: for copies that outlive the database and the
// release that wrote them. What a row has that the table has not is left out when it is put back, and the other way
// round the column's default holds.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "store/sql.h"

namespace varve::store {

// A table's columns, looked up once.
class PlainTable {
 public:
  // hidden: columns that are not to be seen.
  PlainTable(Connection& db, std::string name, const std::vector<std::string>& hidden = {});

  // `tail` is what follows "SELECT ... FROM <table> ".
  boost::json::array select(Connection& db, std::string_view tail, const std::vector<Value>& in) const;

  // False if a row with one of its unique keys is there, or a column that must have a value has none.
  bool insert(Connection& db, const boost::json::object& row) const;

 private:
  struct Column {
    std::string name;
    ColumnType type;
  };
  std::string name_;
  std::vector<Column> columns_;
};

}  // namespace varve::store
