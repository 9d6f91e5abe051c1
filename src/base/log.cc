#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <chrono>

#include "base/clock.h"

namespace varve::log {

namespace {

Format g_format = Format::Text;

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("varved", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text));
}

bool needs_quotes(std::string_view text) {
  if (text.empty()) return true;
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\x7f') return true;
  }
  return false;
}

std::string text_line(std::string_view level, std::string_view message, Fields fields) {
  std::string line = format_time_z(SystemClock().now());
  line += ' ';
  line += level;
  line += ' ';
  line += message;
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (field.is_number) {
      line += std::to_string(field.number);
    } else {
      line += needs_quotes(field.text) ? quoted(field.text) : std::string(field.text);
    }
  }
  return line;
}

std::string json_line(std::string_view level, std::string_view message, Fields fields) {
  std::string line = "{\"time\":\"" + format_time_z(SystemClock().now()) + "\",\"level\":\"" + std::string(level) +
                     "\",\"message\":" + quoted(message);
  for (const Field& field : fields) {
    line += ',';
    line += quoted(field.key);
    line += ':';
    line += field.is_number ? std::to_string(field.number) : quoted(field.text);
  }
  line += '}';
  return line;
}

void write(spdlog::level::level_enum level, std::string_view name, std::string_view message, Fields fields) {
  spdlog::logger& out = logger();
  if (!out.should_log(level)) return;
  out.log(level, "{}", g_format == Format::Text ? text_line(name, message, fields) : json_line(name, message, fields));
}

}  // namespace

void configure(Level level, Format format) {
  g_format = format;
  set_level(level);
}

namespace {
constexpr std::pair<Level, spdlog::level::level_enum> kLevels[] = {{Level::Debug, spdlog::level::debug},
                                                                   {Level::Info, spdlog::level::info},
                                                                   {Level::Warning, spdlog::level::warn},
                                                                   {Level::Error, spdlog::level::err},
                                                                   {Level::Off, spdlog::level::off}};
}  // namespace

void set_level(Level wanted) {
  for (const auto& [level, theirs] : kLevels) {
    if (level == wanted) logger().set_level(theirs);
  }
}

Level level() {
  for (const auto& [level, theirs] : kLevels) {
    if (logger().level() == theirs) return level;
  }
  return Level::Info;
}

void debug(std::string_view message, Fields fields) {
  write(spdlog::level::debug, "debug", message, fields);
}
void info(std::string_view message, Fields fields) {
  write(spdlog::level::info, "info", message, fields);
}
void warning(std::string_view message, Fields fields) {
  write(spdlog::level::warn, "warning", message, fields);
}
void error(std::string_view message, Fields fields) {
  write(spdlog::level::err, "error", message, fields);
}

}  // namespace varve::log
