package list

import (
	"imagetools/fault"
	"imagetools/smf"
	"imagetools/smf/bundle"
)

// Import makes the repository of manifests, imported in their order. Faults of all manifests
// come at once.
func Import(manifests []Manifest) (*smf.Repository, error) {
	repository := new(smf.Repository)
	importer := bundle.NewImporter(repository)
	faults := fault.Faults{Limit: maxFaults}
	for _, m := range manifests {
		if m.Place == "" {
			continue
		}
		b, err := bundle.Parse(m.Place+": "+m.Name, m.XML)
		if err == nil && faults.Len() == 0 {
			err = importer.Import(b)
		}
		if err != nil {
			faults.Add(lineKey(m.Line), err)
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return repository, nil
}
