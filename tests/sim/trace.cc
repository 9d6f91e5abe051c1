#include "trace.h"

#include <spdlog/fmt/fmt.h>

#include <cstdio>

namespace varve::sim {

namespace {
constexpr std::size_t kLast = 60;
}

void Trace::line(const std::string& text) {
  double seconds = std::chrono::duration<double>(clock_.now() - began_).count();
  std::string whole = fmt::format("{:5} {:10.3f}  {}", ++lines_, seconds, text);
  for (unsigned char c : whole) hash_ = (hash_ ^ c) * 0x100000001b3;
  if (print_) std::puts(whole.c_str());
  last_.push_back(std::move(whole));
  if (last_.size() > kLast) last_.pop_front();
}

std::string Trace::name(char kind, const std::string& id) {
  if (id.empty()) return "-";
  std::string& name = names_[id];
  if (name.empty()) name = kind + std::to_string(++counts_[kind]);
  return name;
}

std::string Trace::named(std::string text) const {
  for (const auto& [id, name] : names_) {
    for (std::size_t at = 0; (at = text.find(id, at)) != std::string::npos;) text.replace(at, id.size(), name);
  }
  return text;
}

}  // namespace varve::sim
