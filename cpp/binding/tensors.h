// The losses of tensors and their means, by the addresses of their elements.
//
// An address of contiguous elements is had in a tenth of the time that an array of NumPy's takes: for a thousand
// elements three arrays take longer than the loss. A type is the number of a `Type`; an address of 0 is a gradient not
// wanted, and one that is wanted lies apart from the inputs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace logitloss {

// The losses, and the gradient.
void sigmoid_cross_entropy_at(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t losses,
                              std::uintptr_t gradient, std::size_t n, int logits_type, int labels_type);

// The exact sum of the losses over `count`, rounded once. The gradient is divided by `divisor`.
double sigmoid_cross_entropy_mean_at(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t gradient,
                                     std::size_t n, int logits_type, int labels_type, double divisor,
                                     std::uint64_t count);

// The same of rows of `classes`; labels that are sparse are int64. Of the rows where `ignored` is true, if it is given,
// loss and gradient are 0, whatever stands in them.
double softmax_cross_entropy_mean_at(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t ignored,
                                     std::uintptr_t gradient, std::size_t rows, std::size_t classes, int logits_type,
                                     int labels_type, bool sparse, double divisor, std::uint64_t count);

// Whether all of n int64 labels are classes, and none is the one to ignore.
bool are_classes_at(std::uintptr_t labels, std::size_t n, std::int64_t classes, std::int64_t ignored);

}  // namespace logitloss
