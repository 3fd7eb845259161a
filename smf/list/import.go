package list

import (
	"errors"

	"imagetools/smf"
	"imagetools/smf/bundle"
)

// Import makes the repository of manifests, imported in their order. Faults of all manifests
// come at once.
func Import(manifests []Manifest) (*smf.Repository, error) {
	repository := new(smf.Repository)
	importer := bundle.NewImporter(repository)
	var faults []error
	for _, m := range manifests {
		if m.Place == "" {
			continue
		}
		b, err := bundle.Parse(m.Place+": "+m.Name, m.XML)
		if err == nil && len(faults) == 0 {
			err = importer.Import(b)
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return repository, nil
}
