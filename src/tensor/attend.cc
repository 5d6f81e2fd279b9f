// Attention over what sequences remember. A query's sums run over blocks of 64 absolute positions merged in order, so
// they do not depend on what else is in the pass or on how a prompt was cut.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/latent.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

constexpr int64_t kRows = 240;     // query rows that read a block of keys together: they and their answers stay in L2
constexpr int64_t kFewRows = 16;   // fewer would spend their time on bringing it in
constexpr int64_t kGroups = 4;     // for each thread, so that all end together
constexpr int64_t kFewBlocks = 4;  // are not worth cutting up

// The query rows of some tokens of a run that look at one key/value head, token after token, gathered side by side.
struct Group {
  int64_t begin, end;    // tokens, as rows of the pass
  int64_t head;          // key/value head
  int64_t first, share;  // query heads: neighbours
  const Run* run;

  int64_t rows() const { return (end - begin) * share; }
};

// The positions [first, last) that a token sees.
struct Seen {
  int64_t first, last;
};
Seen seen_by(const Run& run, int64_t token, const Sight& sight) {
  const int64_t position = run.position + token - run.begin;
  return {sight.first_seen(position), position + 1};
}

struct View {
  std::vector<const void*> keys, values;  // of each block; null before the first that is seen
  std::vector<int64_t> first, last;       // of each row

  View() = default;
  View(const Group& group, int64_t layer) { set(group, layer); }
  void set(const Group& group, int64_t layer) {
    const SequenceMemory::Rows rows = group.run->memory->attention(layer);
    first.clear();
    last.clear();
    for (int64_t t = group.begin; t < group.end; ++t) {
      const auto [from, to] = seen_by(*group.run, t, rows.sight);
      first.insert(first.end(), static_cast<size_t>(group.share), from);
      last.insert(last.end(), static_cast<size_t>(group.share), to);
    }
    const auto begin = static_cast<size_t>(first.front() / kAttentionBlock);
    const auto end = static_cast<size_t>((last.back() + kAttentionBlock - 1) / kAttentionBlock);
    keys.assign(end, nullptr);
    values.assign(end, nullptr);
    for (size_t block = begin; block < end; ++block) {
      keys[block] = rows.keys(static_cast<int64_t>(block), group.head);
      values[block] = rows.values(static_cast<int64_t>(block), group.head);
    }
  }
};

// [T, H, E] rows of a group <-> rows side by side. The heads of a group are neighbours, so a token's rows are one
// piece.
void gather(const Group& group, const float* from, int64_t heads, int64_t width, float* to) {
  for (int64_t t = group.begin; t < group.end; ++t)
    std::memcpy(to + (t - group.begin) * group.share * width, from + (t * heads + group.first) * width,
                static_cast<size_t>(group.share * width) * sizeof(float));
}

void scatter(const Group& group, const float* from, int64_t heads, int64_t width, float* to) {
  for (int64_t t = group.begin; t < group.end; ++t)
    std::memcpy(to + (t * heads + group.first) * width, from + (t - group.begin) * group.share * width,
                static_cast<size_t>(group.share * width) * sizeof(float));
}

// What a thread works in, kept: a token of a small model has a hundred calls of some microseconds.
struct Room {
  View view;
  std::vector<float> sinks, queries, answers, stats;
};
thread_local Room room;

struct Attention {
  Pass* pass;
  int64_t layer, heads, kv_heads, share, key_dim, value_dim;
  DType cached;
  bool in_keys;  // values are
  float scale;
  AttendOptions options;
  Tensor sinks;  // [H], float32, where there are any

  // Groups of at most so many tokens, a run's as equal as can be.
  std::vector<Group> groups(int64_t most_tokens, int64_t heads_a_group) const {
    std::vector<Group> list;
    for (const Run& run : pass->runs()) {
      const int64_t tokens = run.end - run.begin, cuts = (tokens + most_tokens - 1) / most_tokens;
      for (int64_t head = 0; head < kv_heads; ++head)
        for (int64_t cut = 0; cut < cuts; ++cut)
          for (int64_t first = head * share; first < (head + 1) * share; first += heads_a_group)
            list.push_back({run.begin + tokens * cut / cuts, run.begin + tokens * (cut + 1) / cuts, head, first,
                            std::min(heads_a_group, (head + 1) * share - first), &run});
    }
    return list;
  }
  // Many heads that share keys and values are cut up, so that every thread has some.
  std::vector<Group> groups() const {
    const auto tokens = static_cast<int64_t>(pass->tokens().size()), threads = int64_t{pass->pool().threads()};
    const int64_t even = (tokens * heads + threads - 1) / threads;
    const int64_t heads_a_group = std::min(share, std::clamp<int64_t>(even, kFewRows, kFewRows * 4));
    const int64_t rows = std::clamp<int64_t>(even / kGroups, kFewRows * 4, kRows);
    return groups(std::max<int64_t>(1, rows / share), heads_a_group);
  }
  Attended over(const View& view) const {
    return {view.keys.data(), in_keys ? nullptr : view.values.data(), cached, key_dim, value_dim, scale,
            options.softcap};
  }
  // A sink for each row of a group; empty where there are none.
  void sinks_of(const Group& group, std::vector<float>& list) const {
    list.clear();
    if (!sinks) return;
    const float* from = sinks.f32() + group.first;
    for (int64_t t = group.begin; t < group.end; ++t) list.insert(list.end(), from, from + group.share);
  }

  void attend(const Group& group, const float* q, float* out, float* stats) const {
    Room& r = room;
    r.view.set(group, layer);
    sinks_of(group, r.sinks);
    const float* row_sinks = sinks ? r.sinks.data() : nullptr;
    if (group.end - group.begin == 1) {  // its rows lie side by side as they are
      const int64_t row = group.begin * heads + group.first;
      kernels().attend(over(r.view), q + row * key_dim, key_dim, group.share, r.view.first.data(), r.view.last.data(),
                       row_sinks, out + row * value_dim, value_dim, stats + row * 2);
      return;
    }
    const auto rows = static_cast<size_t>(group.rows());
    r.queries.resize(rows * static_cast<size_t>(key_dim));
    r.answers.resize(rows * static_cast<size_t>(value_dim));
    r.stats.resize(rows * 2);
    gather(group, q, heads, key_dim, r.queries.data());
    kernels().attend(over(r.view), r.queries.data(), key_dim, group.rows(), r.view.first.data(), r.view.last.data(),
                     row_sinks, r.answers.data(), value_dim, r.stats.data());
    scatter(group, r.answers.data(), heads, value_dim, out);
    scatter(group, r.stats.data(), heads, 2, stats);
  }

  // One token of few key/value heads: the groups that would leave threads without work at the end are cut between
  // blocks, and their blocks joined in order afterwards, which gives the same bits.
  struct Cut {
    Group group;
    int64_t begin, end;  // blocks
    Tensor parts;
  };
  std::vector<Cut> cuts(std::vector<Group>& list) const {
    std::vector<Cut> cut;
    const auto threads = int64_t{pass->pool().threads()}, count = static_cast<int64_t>(list.size());
    if (in_keys || count >= kGroups * threads) return cut;
    for (int64_t left = count % threads; left > 0; --left) {
      const Group& group = list.back();
      if (group.end - group.begin > 1) break;
      const auto [first, last] = seen_by(*group.run, group.begin, group.run->memory->attention(layer).sight);
      const int64_t begin = first / kAttentionBlock, end = (last + kAttentionBlock - 1) / kAttentionBlock;
      if (end - begin < kFewBlocks) break;
      cut.push_back({group, begin, end, pass->empty({end - begin, group.share, value_dim + 2})});
      list.pop_back();
    }
    return cut;
  }

  void forward(const float* q, float* out, float* stats) const {
    auto list = groups();
    const std::vector<Cut> cut = cuts(list);
    const auto whole = static_cast<int64_t>(list.size()), threads = int64_t{pass->pool().threads()};
    pass->pool().parallel_for(whole + static_cast<int64_t>(cut.size()) * threads, [&](int64_t i) {
      if (i < whole) return attend(list[static_cast<size_t>(i)], q, out, stats);
      const Cut& c = cut[static_cast<size_t>((i - whole) / threads)];
      const int64_t piece = (i - whole) % threads, blocks = c.end - c.begin;
      const int64_t from = blocks * piece / threads, to = blocks * (piece + 1) / threads;
      room.view.set(c.group, layer);
      kernels().attend_blocks(over(room.view), q + (c.group.begin * heads + c.group.first) * key_dim, key_dim,
                              c.group.share, room.view.first[0], room.view.last[0], c.begin + from, c.begin + to,
                              Pass::mutable_f32(c.parts) + from * c.group.share * (value_dim + 2));
    });
    const FlushDenormals flush;
    for (const Cut& c : cut) {
      const int64_t row = c.group.begin * heads + c.group.first;
      kernels().attend_join(c.parts.f32(), c.end - c.begin, c.group.share, value_dim,
                            sinks ? sinks.f32() + c.group.first : nullptr, out + row * value_dim, value_dim,
                            stats + row * 2);
    }
  }

  // Sums into keys and values run over the queries of a whole sequence, so a group is a whole run. d_sinks: of each
  // token and head, [T, H].
  void backward(const float* q, const float* out, const float* stats, const float* d_out, float* dq, float* dk,
                float* dv, float* d_sinks) const {
    const auto list = groups(std::numeric_limits<int64_t>::max() / 2, share);
    pass->pool().parallel_for(static_cast<int64_t>(list.size()), [&](int64_t i) {
      const Group& group = list[static_cast<size_t>(i)];
      const View view(group, layer);
      std::vector<float> row_sinks;
      sinks_of(group, row_sinks);
      const auto rows = static_cast<size_t>(group.rows());
      const size_t key_size = rows * static_cast<size_t>(key_dim), value_size = rows * static_cast<size_t>(value_dim);
      std::vector<float> queries(key_size), answers(value_size), d_answers(value_size), d_queries(key_size),
          sums(rows * 2), d_row_sinks(row_sinks.size());
      gather(group, q, heads, key_dim, queries.data());
      gather(group, out, heads, value_dim, answers.data());
      gather(group, d_out, heads, value_dim, d_answers.data());
      gather(group, dq, heads, key_dim, d_queries.data());
      gather(group, stats, heads, 2, sums.data());
      const int64_t from = group.begin * kv_heads + group.head;
      kernels().attend_backward(over(view), queries.data(), key_dim, group.rows(), view.first.data(), view.last.data(),
                                sinks ? row_sinks.data() : nullptr, answers.data(), value_dim, sums.data(),
                                d_answers.data(), value_dim,
                                {.dq = d_queries.data(),
                                 .d_keys = dk + from * key_dim,
                                 .d_values = dv + from * value_dim,
                                 .d_sinks = d_row_sinks.data(),
                                 .lddq = key_dim,
                                 .ldk = kv_heads * key_dim,
                                 .ldv = kv_heads * value_dim,
                                 .base = group.run->position});
      scatter(group, d_queries.data(), heads, key_dim, dq);
      if (sinks) scatter(group, d_row_sinks.data(), heads, 1, d_sinks);
    });
  }

  // Scores or the pattern of a run's tokens, [T, H, S], recomputed from the largest scores and sums that forward()
  // used.
  Tensor seen(const Run& run, const float* q, const float* stats, bool want_scores) const {
    const int64_t tokens = run.end - run.begin, in_view = run.position + tokens;
    Tensor seen = pass->empty({tokens, heads, in_view});
    float* to = Pass::mutable_f32(seen);
    std::fill_n(to, seen.shape().elements(), want_scores ? -std::numeric_limits<float>::infinity() : 0.0f);
    std::vector<float> scores(static_cast<size_t>(in_view)), pattern(static_cast<size_t>(in_view));
    const FlushDenormals flush;
    for (const Group& group : groups(1, share)) {
      if (group.run != &run) continue;
      const View view(group, layer);
      for (int64_t i = 0; i < share; ++i) {
        const int64_t row = group.begin * heads + group.head * share + i;
        const int64_t first = view.first[0], last = view.last[0];
        kernels().attend_pattern(over(view), q + row * key_dim, first, last, stats + row * 2, scores.data(),
                                 pattern.data());
        std::memcpy(to + (row - run.begin * heads) * in_view + first, want_scores ? scores.data() : pattern.data(),
                    static_cast<size_t>(last - first) * sizeof(float));
      }
    }
    return seen;
  }

  // The plain way, for a run's pattern that a tap put in place: out = pattern values, a chain over all positions.
  void mix(const Tensor& pattern, const Group& group, float* out) const {
    const View view(group, layer);
    const int64_t in_view = pattern.width();
    for (int64_t i = 0; i < share; ++i) {
      const int64_t row = group.begin * heads + group.head * share + i;
      float* to = out + row * value_dim;
      std::fill_n(to, value_dim, 0.0f);
      for (int64_t position = view.first[0]; position < view.last[0]; ++position) {
        const int64_t slot = position % kAttentionBlock, at = in_keys ? slot : slot * value_dim;
        const int64_t step = in_keys ? kAttentionBlock : 1;
        const void* block = (in_keys ? view.keys : view.values)[static_cast<size_t>(position / kAttentionBlock)];
        const float share_of = pattern.f32()[(row - group.run->begin * heads) * in_view + position];
        for (int64_t e = 0; e < value_dim; ++e) {
          const float value = cached == DType::bf16 ? bf16_to_f32(static_cast<const uint16_t*>(block)[at + e * step])
                                                    : static_cast<const float*>(block)[at + e * step];
          to[e] = std::fma(share_of, value, to[e]);
        }
      }
    }
  }

  // Rows whose pattern (or scores) a tap changed are answered the plain way; the others keep their bits.
  void offer(const float* q, const float* stats, float* out) const {
    for (const Run& run : pass->runs())
      if (run.taps) offer_to(run, q, stats, out);
  }
  void offer_to(const Run& run, const float* q, const float* stats, float* out) const {
    const FlushDenormals flush;
    const std::string path(pass->here());
    const auto replaced = [&](const Tensor& before, const Tensor& after, const auto& pattern_of) {
      if (after.f32() == before.f32()) return;
      const int64_t in_view = before.width();
      Tensor pattern;
      for (const Group& group : groups(1, share)) {
        if (group.run != &run) continue;
        for (int64_t i = 0; i < share; ++i) {
          const int64_t row = (group.begin - run.begin) * heads + group.head * share + i;
          if (std::memcmp(before.f32() + row * in_view, after.f32() + row * in_view,
                          static_cast<size_t>(in_view) * sizeof(float)) != 0) {
            if (!pattern) pattern = pattern_of(after);
            mix(pattern, group, out);
            break;
          }
        }
      }
    };
    if (run.taps->wants(path + ".scores")) {
      const Tensor scores = seen(run, q, stats, true);
      replaced(scores, pass->offer_to(run, scores, ".scores"), [&](const Tensor& changed) {
        Tensor pattern = pass->empty(changed.shape());
        const int64_t n = changed.width();
        for (int64_t row = 0; row < changed.rows(); ++row) {
          float largest, sum;
          kernels().log_sum_exp(changed.f32() + row * n, n, &largest, &sum);
          if (sinks) {
            const float sink = sinks.f32()[row % heads], both = std::max(largest, sink);
            float by[2] = {largest - both, sink - both};
            kernels().exp(by, by, 2);
            sum = std::fma(sum, by[0], by[1]);
            largest = both;
          }
          kernels().softmax(changed.f32() + row * n, n, largest, sum, 1, Pass::mutable_f32(pattern) + row * n, false);
        }
        return pattern;
      });
    }
    if (run.taps->wants(path + ".pattern")) {
      const Tensor pattern = seen(run, q, stats, false);
      replaced(pattern, pass->offer_to(run, pattern, ".pattern"), [](const Tensor& changed) { return changed; });
    }
  }
};

}  // namespace

namespace {

void write(int64_t layer, const Tensor& k, const float* v) {
  const Pass& pass = *k.pass();
  const int64_t heads = k.shape()[1], width = k.width(), stride = heads * width;
  pass.pool().parallel_for(static_cast<int64_t>(pass.runs().size()) * heads, [&](int64_t part) {
    const Run& run = pass.runs()[static_cast<size_t>(part / heads)];
    const SequenceMemory::Rows rows = run.memory->attention(layer);
    check(rows.heads == heads && rows.width == width, "remember: expected keys of the memory's shape");
    const int64_t head = part % heads, from = run.begin * stride + head * width;
    rows.write(head, run.position, run.end - run.begin, k.f32() + from, v ? v + from : nullptr, stride);
  });
}

}  // namespace

Memory remember(int64_t layer, const Tensor& k, const Tensor& v) {
  check(k.shape() == v.shape(), "remember: expected values of the keys' shape");
  write(layer, k, v.f32());
  return {layer, k, v};
}

Memory remember(int64_t layer, const Tensor& k) {
  write(layer, k, nullptr);
  const auto& runs = k.pass()->runs();
  return {layer, k, slice(k, 0, runs.empty() ? k.width() : runs[0].memory->attention(layer).value_dim)};
}

Tensor attend(const Tensor& q, const Memory& memory, const AttendOptions& options) {
  Pass& pass = *q.pass();
  const int64_t heads = q.shape()[1], kv_heads = memory.k.shape()[1], width = q.width();
  check(heads % kv_heads == 0 && memory.k.width() == width, "attend: heads and key/value heads do not fit");
  check(!options.sinks || options.sinks.shape().elements() == heads, "attend: expected a sink for each head");
  const SequenceMemory::Rows rows =
      pass.runs().empty() ? SequenceMemory::Rows() : pass.runs()[0].memory->attention(memory.layer);
  const Attention attention{
      &pass,
      memory.layer,
      heads,
      kv_heads,
      heads / kv_heads,
      width,
      memory.v.width(),
      rows.dtype,
      rows.values_in_keys,
      options.scale > 0 ? options.scale : static_cast<float>(1.0 / std::sqrt(static_cast<double>(width))),
      options,
      options.sinks ? widened(pass, options.sinks) : Tensor()};
  const int64_t tokens = q.shape()[0];
  Tensor out = pass.empty({tokens, heads, memory.v.width()}), stats = pass.empty({tokens, heads, 2});
  attention.forward(q.f32(), Pass::mutable_f32(out), Pass::mutable_f32(stats));
  if (pass.listens()) attention.offer(q.f32(), stats.f32(), Pass::mutable_f32(out));
  pass.tape().record(out, {&q, &memory.k, &memory.v, &options.sinks},
                     [&pass, attention, q, memory, out, stats, tokens, heads](const float* d_out) {
                       std::vector<Tensor> unwanted;  // sums nobody asked for still need a place
                       const auto sum = [&](const Tensor& t) {
                         if (float* into = pass.tape().accumulate(t)) return into;
                         return Pass::mutable_f32(unwanted.emplace_back(pass.empty(t.shape())));
                       };
                       Tensor by_token;  // what each token wants of the sinks
                       if (attention.sinks) by_token = pass.empty({tokens, heads});
                       attention.backward(q.f32(), out.f32(), stats.f32(), d_out, sum(q), sum(memory.k), sum(memory.v),
                                          Pass::mutable_f32(by_token));
                       if (float* d_sinks = attention.sinks ? pass.tape().accumulate(attention.options.sinks) : nullptr)
                         for (int64_t t = 0; t < tokens; ++t)
                           kernels().add(d_sinks, by_token.f32() + t * heads, d_sinks, heads);
                     });
  return out;
}

}  // namespace glassbox
