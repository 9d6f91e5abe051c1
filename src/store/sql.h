// One database connection with its prepared statements, over SOCI. Placeholders are `:name`, each used once, in order.
// A connection belongs to one thread at a time. Faults: a broken unique or foreign key throws Error(Conflict), a full
// disk Error(NoSpace), a read-only or busy one Error(Unavailable), a failing one Error(BackendFailed), anything else
// Error(Internal).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/touched.h"

namespace varve::store {

enum class ColumnType : std::uint8_t { Integer, Text };

// A parameter. The type is kept with a null too: prepared statements are bound once.
struct Value {
  ColumnType type = ColumnType::Text;
  bool null = false;
  std::int64_t integer = 0;
  std::string text;
};

// The present row of a query; valid inside the callback only.
class Row {
 public:
  virtual bool null(std::size_t column) const = 0;
  virtual std::int64_t integer(std::size_t column) const = 0;
  virtual const std::string& text(std::size_t column) const = 0;

 protected:
  ~Row() = default;
};

class Connection {
 public:
  // path: the SQLite file. read_only connections refuse to write.
  Connection(const std::string& path, bool read_only);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Returns the number of rows changed.
  std::int64_t run(std::string_view sql, std::span<const Value> in);
  void query(std::string_view sql, std::span<const Value> in, std::span<const ColumnType> out,
             const std::function<void(const Row&)>& each);
  // One statement without parameters, not kept: migrations, BEGIN, COMMIT.
  void script(std::string_view sql);

  // Grows with every change until its user empties it.
  Touched& touched() { return touched_; }

 private:
  class Impl;
  Touched touched_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve::store
