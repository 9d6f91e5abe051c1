// Structured log lines on stderr, as text or as one JSON object a line. Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/id.h"

namespace varve::log {

enum class Level : std::uint8_t { Debug, Info, Warning, Error, Off };
enum class Format : std::uint8_t { Text, Json };

struct Field {
  Field(std::string_view key, std::string_view value) : key(key), text(value) {}
  Field(std::string_view key, const char* value) : key(key), text(value) {}
  Field(std::string_view key, const std::string& value) : key(key), text(value) {}
  Field(std::string_view key, std::int64_t value) : key(key), number(value), is_number(true) {}
  Field(std::string_view key, int value) : Field(key, std::int64_t{value}) {}
  Field(std::string_view key, std::uint64_t value) : Field(key, static_cast<std::int64_t>(value)) {}
  template <class Tag>
  Field(std::string_view key, const Id<Tag>& id) : key(key), text(id.str()) {}

  std::string_view key;
  std::string_view text;  // lives as long as the call
  std::int64_t number = 0;
  bool is_number = false;
};

using Fields = std::initializer_list<Field>;

// Before the first thread starts.
void configure(Level level, Format format);

Level level();
void set_level(Level level);  // any time

void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warning(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});

}  // namespace varve::log
