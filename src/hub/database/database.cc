#include "hub/database/database.h"

#include <sqlite3.h>

#include "base/error.h"

namespace glassbox::hub {
namespace {

constexpr size_t kMostIdle = 8;
constexpr int kPatience = 60'000;  // milliseconds for another process to end its transaction

int bind(sqlite3_stmt* statement, int at, std::nullptr_t) { return sqlite3_bind_null(statement, at); }
int bind(sqlite3_stmt* statement, int at, int64_t value) { return sqlite3_bind_int64(statement, at, value); }
int bind(sqlite3_stmt* statement, int at, double value) { return sqlite3_bind_double(statement, at, value); }
int bind(sqlite3_stmt* statement, int at, std::string_view text) {
  return sqlite3_bind_text64(statement, at, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
}
int bind(sqlite3_stmt* statement, int at, Blob blob) {
  return sqlite3_bind_blob64(statement, at, blob.bytes.data() ? blob.bytes.data() : "", blob.bytes.size(),
                             SQLITE_STATIC);
}

}  // namespace

bool Row::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
int64_t Row::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Row::real(int column) const { return sqlite3_column_double(statement_, column); }
std::string_view Row::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {data ? data : "", static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

void Connection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Connection::Connection(const std::filesystem::path& file) : file_(file) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (const int code = sqlite3_open_v2(file_.c_str(), &handle_, flags, nullptr); code != SQLITE_OK) {
    const std::string why = handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
    sqlite3_close(handle_);
    fail(ErrorKind::io, "{}: cannot open: {}", file_.string(), why);
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, kPatience);
  try {
    // synchronous FULL: a commit is synced to the log before it returns, not only before the log is written back.
    script(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF");
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

Connection::~Connection() {
  prepared_.clear();
  sqlite3_close(handle_);
}

void Connection::fail_as(int code, std::string_view sql) const {
  const std::string why = sqlite3_errmsg(handle_);
  switch (code & 0xff) {
    case SQLITE_FULL:
      fail(ErrorKind::full, "{}: cannot write: {}", file_.string(), why);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      fail(ErrorKind::bad_file, "{}: {}", file_.string(), why);
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
      fail(ErrorKind::internal, "{}: {}: {}", file_.string(), why, sql);
    default:
      fail(ErrorKind::io, "{}: {}", file_.string(), why);
  }
}

// The statement, ready to be bound; made anew where it is in use.
Connection::Statement Connection::take(std::string_view sql) {
  if (auto found = prepared_.find(std::string(sql)); found != prepared_.end()) {
    Statement statement = std::move(found->second);
    prepared_.erase(found);
    return statement;
  }
  sqlite3_stmt* made = nullptr;
  const int code =
      sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  if (code != SQLITE_OK) fail_as(code, sql);
  return Statement(made);
}

void Connection::each(std::string_view sql, std::initializer_list<Value> values,
                      const std::function<void(const Row&)>& row) {
  Statement statement = take(sql);
  int at = 0;
  for (const Value& value : values) {
    const int code = std::visit([&](const auto& v) { return bind(statement.get(), at + 1, v); }, value.value_);
    if (code != SQLITE_OK) fail_as(code, sql);
    ++at;
  }
  check(at == sqlite3_bind_parameter_count(statement.get()), "a statement has a value for each question mark");
  int code = 0;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) row(Row(statement.get()));
  if (code != SQLITE_DONE) fail_as(code, sql);
  sqlite3_reset(statement.get());
  sqlite3_clear_bindings(statement.get());
  prepared_.insert_or_assign(std::string(sql), std::move(statement));
}

int64_t Connection::run(std::string_view sql, std::initializer_list<Value> values) {
  const int64_t before = sqlite3_total_changes64(handle_);
  each(sql, values, [](const Row&) {});
  return sqlite3_total_changes64(handle_) - before;
}

int64_t Connection::last_row() const { return sqlite3_last_insert_rowid(handle_); }

void Connection::script(const std::string& sql) {
  if (const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr); code != SQLITE_OK)
    fail_as(code, sql);
}

Database::Database(std::filesystem::path file) : file_(std::move(file)) {
  idle_.push_back(std::make_unique<Connection>(file_));
}
Database::~Database() = default;

Database::Lease::Lease(Database& database, bool writes) : database(database) {
  {
    const std::lock_guard lock(database.idle_mutex_);
    if (!database.idle_.empty()) {
      connection = std::move(database.idle_.back());
      database.idle_.pop_back();
    }
  }
  if (!connection) connection = std::make_unique<Connection>(database.file_);
  connection->run(writes ? "BEGIN IMMEDIATE" : "BEGIN");
}

void Database::Lease::end() const {
  connection->run("COMMIT");
  open = false;
}

Database::Lease::~Lease() {
  if (open) {
    try {
      connection->run("ROLLBACK");
    } catch (const Error&) { return; }  // SQLite undid it by itself, or the file is gone: the connection goes, too
  }
  const std::lock_guard lock(database.idle_mutex_);
  if (database.idle_.size() < kMostIdle) database.idle_.push_back(std::move(connection));
}

}  // namespace glassbox::hub
