// SPDX-License-Identifier: MIT

package manifest

var FieldNames = fieldNames
