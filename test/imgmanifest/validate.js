// SPDX-License-Identifier: MIT
//
// Judges manifests with the npm package imgmanifest: node validate.js FOLDER, where FOLDER holds
// node_modules. Each line of stdin is {"for", "text", "upgrade"}, each line of stdout the answer:
// {"verdict": "accept"}, {"verdict": "refuse", "errors": […]} or, where imgmanifest ends with an
// exception, {"verdict": "throw", "message"}. With "upgrade": true the manifest is first upgraded
// to version 2, and the result is part of the answer as "manifest".
'use strict';

const path = require('path');
const readline = require('readline');
const imgmanifest = require(path.resolve(process.argv.at(-1), 'node_modules/imgmanifest/lib/imgmanifest.js'));

const validators = {
    imgadm: imgmanifest.validateMinimalManifest,
    public: imgmanifest.validatePublicManifest,
    private: imgmanifest.validatePrivateManifest,
    dc: imgmanifest.validateDcManifest,
};

function judge(request) {
    const answer = {};
    try {
        let manifest = JSON.parse(request.text);
        if (request.upgrade) {
            manifest = imgmanifest.upgradeManifest(manifest);
            answer.manifest = manifest;
        }
        answer.errors = validators[request.for](manifest);
        answer.verdict = answer.errors === null ? 'accept' : 'refuse';
    } catch (e) {
        answer.verdict = 'throw';
        answer.message = String(e.message);
    }
    return answer;
}

readline.createInterface({input: process.stdin}).on('line', function (line) {
    process.stdout.write(JSON.stringify(judge(JSON.parse(line))) + '\n');
});
