// Finds the handler of a path. Patterns are segments, literal or `{parameter}`; a literal wins over a parameter.
// Built before the server starts, then read by any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/message.h"

namespace varve::http {

// Values of the path's parameters, decoded, in the order of the pattern.
class PathParameters {
 public:
  std::string get(std::string_view name) const;  // "" if the pattern has no such parameter
  bool has(std::string_view name) const;
  void add(std::string name, std::string value) { values_.emplace_back(std::move(name), std::move(value)); }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

template <class Handler>
class Router {
 public:
  void add(Verb method, std::string_view pattern, Handler handler) {
    Node* node = &root_;
    std::vector<std::string> names;
    for_each_segment(pattern, [&](std::string_view segment) {
      if (segment.starts_with('{')) {
        names.emplace_back(segment.substr(1, segment.size() - 2));
        if (!node->parameter) node->parameter = std::make_unique<Node>();
        node = node->parameter.get();
      } else {
        node = &node->literals[std::string(segment)];
      }
    });
    bool is_new = node->methods.emplace(method, Route{std::move(handler), std::move(names)}).second;
    VARVE_CHECK(is_new, "a path has one handler for a verb");
  }

  struct Match {
    const Handler* handler = nullptr;  // nullptr: see `allowed`
    const Handler* nearest = nullptr;  // the handler, or that of another of the path's methods
    PathParameters parameters;
    std::vector<Verb> allowed;  // the path's methods when the asked one is not among them; empty: no such path
  };

  // path: not decoded. HEAD finds GET's handler.
  Match find(Verb method, std::string_view path) const {
    std::vector<std::string_view> segments;
    for_each_segment(path, [&](std::string_view segment) { segments.push_back(segment); });
    Match match;
    std::vector<std::string_view> values;
    const Node* node = descend(root_, segments, 0, values);
    if (node == nullptr) return match;
    auto found = node->methods.find(method == Verb::head ? Verb::get : method);
    match.nearest = &(found == node->methods.end() ? node->methods.begin() : found)->second.handler;
    if (found == node->methods.end()) {
      for (const auto& [verb, route] : node->methods) {
        match.allowed.push_back(verb);
        if (verb == Verb::get) match.allowed.push_back(Verb::head);
      }
      return match;
    }
    match.handler = &found->second.handler;
    for (std::size_t i = 0; i < values.size(); ++i) {
      match.parameters.add(found->second.names[i], decode_segment(values[i]));
    }
    return match;
  }

 private:
  struct Route {
    Handler handler;
    std::vector<std::string> names;
  };
  struct Node {
    std::map<std::string, Node, std::less<>> literals;
    std::unique_ptr<Node> parameter;
    std::map<Verb, Route> methods;
  };

  template <class F>
  static void for_each_segment(std::string_view path, F&& f) {
    if (path.starts_with('/')) path.remove_prefix(1);
    // A trailing slash is a segment of its own: "/v3/" is not "/v3".
    for (;;) {
      std::size_t end = path.find('/');
      f(path.substr(0, end));
      if (end == std::string_view::npos) return;
      path.remove_prefix(end + 1);
    }
  }

  static std::string decode_segment(std::string_view segment);

  static const Node* descend(const Node& node, const std::vector<std::string_view>& segments, std::size_t at,
                             std::vector<std::string_view>& values) {
    if (at == segments.size()) return node.methods.empty() ? nullptr : &node;
    auto literal = node.literals.find(segments[at]);
    if (literal != node.literals.end()) {
      if (const Node* found = descend(literal->second, segments, at + 1, values)) return found;
    }
    if (!node.parameter || segments[at].empty()) return nullptr;
    values.push_back(segments[at]);
    const Node* found = descend(*node.parameter, segments, at + 1, values);
    if (found == nullptr) values.pop_back();
    return found;
  }

  Node root_;
};

// A segment with a broken escape or bad UTF-8 is passed on as it is: it names nothing.
std::string decode_path_segment(std::string_view segment);

template <class Handler>
std::string Router<Handler>::decode_segment(std::string_view segment) {
  return decode_path_segment(segment);
}

}  // namespace varve::http
