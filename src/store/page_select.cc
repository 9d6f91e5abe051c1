#include "store/page_select.h"

namespace varve::store {

namespace {

using model::Filter;

std::string_view sign_of(Filter::Op op) {
  switch (op) {
    case Filter::Op::Equal:
      return " = ";
    case Filter::Op::NotEqual:
      return " <> ";
    case Filter::Op::Less:
      return " < ";
    case Filter::Op::LessOrEqual:
      return " <= ";
    case Filter::Op::Greater:
      return " > ";
    case Filter::Op::GreaterOrEqual:
      return " >= ";
    default:
      break;
  }
  return " = ";
}

Value value_of(const Filter& filter) {
  if (const auto* number = std::get_if<std::int64_t>(&filter.value)) return Codec<std::int64_t>::encode(*number);
  return Codec<std::string>::encode(std::get<std::string>(filter.value));
}

class Builder {
 public:
  explicit Builder(std::string_view table) : table_(table) {}

  void condition(const std::string& text) { where_ += (where_.empty() ? " WHERE " : " AND ") + text; }

  std::string bind(Value value) {
    values_.push_back(std::move(value));
    return ":p" + std::to_string(values_.size());
  }

  void filter(const Filter& filter) { condition((filter.negated ? "NOT " : "") + text_of(filter)); }

  // Rows behind the marker in the given order. With one direction a row value says it, and an index can serve it.
  void behind_marker(const std::vector<model::SortKey>& keys, const std::string& marker) {
    bool one_direction = true;
    for (const model::SortKey& key : keys) one_direction &= key.descending == keys.front().descending;
    if (one_direction) {
      std::string list;
      for (const model::SortKey& key : keys) list += (list.empty() ? "" : ", ") + expression(key);
      condition("(" + list + ")" + (keys.front().descending ? " < " : " > ") + "(SELECT " + list + " FROM " + table_ +
                " WHERE id = " + bind(Codec<std::string>::encode(marker)) + ")");
      return;
    }
    std::string alternatives;
    for (std::size_t last = 0; last < keys.size(); ++last) {
      std::string all;
      for (std::size_t i = 0; i <= last; ++i) {
        std::string_view sign = i < last ? " = " : keys[i].descending ? " < " : " > ";
        all += (all.empty() ? "" : " AND ") + expression(keys[i]) + std::string(sign) + "(SELECT " +
               expression(keys[i]) + " FROM " + table_ + " WHERE id = " + bind(Codec<std::string>::encode(marker)) +
               ")";
      }
      alternatives += (alternatives.empty() ? "(" : " OR (") + all + ")";
    }
    condition("(" + alternatives + ")");
  }

  void order(const std::vector<model::SortKey>& keys) {
    std::string list;
    for (const model::SortKey& key : keys) {
      list += (list.empty() ? "" : ", ") + expression(key) + (key.descending ? " DESC" : " ASC");
    }
    order_ = " ORDER BY " + list;
  }

  void limit(std::int64_t limit, std::int64_t offset) {
    order_ += " LIMIT " + bind(Codec<std::int64_t>::encode(limit));
    if (offset > 0) order_ += " OFFSET " + bind(Codec<std::int64_t>::encode(offset));
  }

  const std::string& where() const { return where_; }
  std::string all() const { return where_ + order_; }
  const std::vector<Value>& values() const { return values_; }

 private:
  std::string text_of(const Filter& filter) {
    std::string column(filter.field);
    switch (filter.op) {
      case Filter::Op::Contains:
        return "(instr(COALESCE(" + column + ", ''), " + bind(value_of(filter)) + ") > 0)";
      case Filter::Op::HasPair: {
        // The pair stands at the start of the object or behind a comma; inside a text its quotes would be escaped.
        std::string pair = encode_metadata_pair(std::get<model::Pair>(filter.value));
        std::string first = bind(Codec<std::string>::encode("{" + pair));
        std::string later = bind(Codec<std::string>::encode("," + pair));
        return "(instr(" + column + ", " + first + ") > 0 OR instr(" + column + ", " + later + ") > 0)";
      }
      case Filter::Op::AttachedTo:
        return "(id IN (SELECT volume_id FROM attachments WHERE snapshot_id IS NULL AND instance_id = " +
               bind(value_of(filter)) + "))";
      case Filter::Op::AllOf:
        return joined(filter.parts, " AND ", "(1 = 1)");
      case Filter::Op::AnyOf:
        return joined(filter.parts, " OR ", "(1 = 0)");
      default:
        return "(" + column + std::string(sign_of(filter.op)) + bind(value_of(filter)) + ")";
    }
  }

  std::string joined(const std::vector<Filter>& parts, std::string_view by, std::string_view when_empty) {
    std::string list;
    for (const Filter& part : parts) {
      list += (list.empty() ? "(" : std::string(by)) + (part.negated ? "NOT " : "") + text_of(part);
    }
    return list.empty() ? std::string(when_empty) : list + ")";
  }

  // NULL has no place in a keyset; it sorts as the smallest value.
  static std::string expression(const model::SortKey& key) {
    if (key.field == "name" || key.field == "description") return "COALESCE(" + std::string(key.field) + ", '')";
    if (key.field == "updated_at") return "COALESCE(updated_at, 0)";
    return std::string(key.field);
  }

  std::string table_;
  std::string where_;
  std::string order_;
  std::vector<Value> values_;
};

}  // namespace

PageSql build_page(std::string_view table, const model::PageQuery& query) {
  Builder builder(table);
  if (query.project_id) builder.condition("project_id = " + builder.bind(Codec<ProjectId>::encode(*query.project_id)));
  for (const Filter& filter : query.filters) builder.filter(filter);

  PageSql sql;
  sql.where = builder.where();
  sql.count_values = builder.values();

  std::vector<model::SortKey> keys = query.sort;
  if (keys.empty()) keys.push_back({"created_at", true});
  if (keys.back().field != "id") keys.push_back({"id", keys.back().descending});
  if (query.marker) builder.behind_marker(keys, *query.marker);
  builder.order(keys);
  builder.limit(query.limit, query.offset);
  sql.where_and_order = builder.all();
  sql.page_values = builder.values();
  return sql;
}

}  // namespace varve::store
